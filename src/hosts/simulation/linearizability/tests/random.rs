//! Random histories of one copy, whole and with one answer changed, judged a second time by trying
//! all orders.

use super::*;

/// A stream of numbers from one seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

const TOKENS: [&str; 3] = ["a;", "bb;", "c"];

/// What the random histories are like.
#[derive(Clone, Copy)]
struct Mix {
    /// Bits for Set, Get, Incr, Append, Del, SetIfAbsent.
    kinds: u64,
    values: u64,
    overlap: u64,
    unanswered_percent: u64,
}

impl Mix {
    fn draw(dice: &mut Dice) -> Mix {
        let kinds = [0b11, 0b10011, 0b100011, 0b110011, 0b111, 0b1110, 0b111111, 0b101111];
        Mix {
            kinds: kinds[dice.below(8) as usize],
            values: [2, 3, 1000][dice.below(3) as usize],
            overlap: 1 + dice.below(40),
            unanswered_percent: [0, 10, 40][dice.below(3) as usize],
        }
    }

    fn action(&self, dice: &mut Dice) -> Action {
        loop {
            let kind = dice.below(6);
            if self.kinds >> kind & 1 == 0 {
                continue;
            }
            let text = dice.below(10) == 0;
            let value = RegisterValue::of(if text { b"t" } else { b"0" });
            let value = if text { value } else { number(dice.below(self.values) as i64) };
            return match kind {
                0 => Action::Set(value),
                1 => Action::Get,
                2 => Action::Incr(dice.below(3) as i64),
                3 => Action::Append(Text::of(TOKENS[dice.below(3) as usize].as_bytes())),
                4 => Action::Del,
                _ => Action::SetIfAbsent(value),
            };
        }
    }

    /// A history of one copy: each operation takes effect at its own moment, seen from around it.
    fn history(&self, dice: &mut Dice, count: u64) -> Vec<Operation> {
        let mut state = None;
        let mut history = Vec::new();
        for moment in (1..=count).map(|i| i * 10 + 1000) {
            let action = self.action(dice);
            let is_unanswered = dice.below(100) < self.unanswered_percent;
            let call = moment - dice.below(self.overlap);
            if is_unanswered && dice.below(2) == 0 {
                history.push(unanswered(call, action));
                continue;
            }
            let (after, reply) = execute(state, action);
            state = after;
            let end = moment + dice.below(self.overlap);
            let answer = (!is_unanswered).then_some((end, reply));
            history.push(Operation { key: 0, call, action, answer });
        }
        history
    }
}

/// Another answer of the same kind, now and then one seen elsewhere in the history.
fn mutate(dice: &mut Dice, history: &mut [Operation]) {
    let (i, j) = (dice.below(history.len() as u64), dice.below(history.len() as u64));
    let other = history[j as usize].answer;
    let Some((_, reply)) = &mut history[i as usize].answer else { return };
    *reply = match (*reply, other) {
        (RegisterReply::Value(_), Some((_, RegisterReply::Value(seen)))) => {
            RegisterReply::Value(seen)
        }
        (RegisterReply::Value(_), _) => value(dice.below(3) as i64),
        (RegisterReply::Number(sum), _) => {
            RegisterReply::Number(sum + 1 - 2 * dice.below(2) as i64)
        }
        (RegisterReply::Length(len), _) => {
            RegisterReply::Length(len + 2 - dice.below(5).min(len as u64) as u32)
        }
        (RegisterReply::Flag(flag), _) => RegisterReply::Flag(!flag),
        (RegisterReply::Done | RegisterReply::Refused, _) => *reply,
    };
}

/// Tries every order of every subset that has all answered operations. The copy it keeps is a
/// string, as the store's would be, and not the model's state.
fn some_order_is_legal(rest: &mut Vec<Operation>, holds: &Option<String>) -> bool {
    if rest.iter().all(|o| o.answer.is_none()) {
        return true;
    }
    for i in 0..rest.len() {
        let op = rest.remove(i);
        let waits = rest.iter().any(|o| o.answer.is_some_and(|(end, _)| end < op.call));
        let legal = !waits
            && serve(holds, op.action).is_some_and(|(after, reply)| {
                op.answer.is_none_or(|(_, seen)| seen == reply) && some_order_is_legal(rest, &after)
            });
        rest.insert(i, op);
        if legal {
            return true;
        }
    }
    false
}

fn serve(holds: &Option<String>, action: Action) -> Option<(Option<String>, RegisterReply)> {
    let shown = |value: RegisterValue| match value {
        RegisterValue::Number(number) => number.to_string(),
        RegisterValue::Text(_) => "t".to_string(),
    };
    Some(match action {
        Action::Set(value) => (Some(shown(value)), RegisterReply::Done),
        Action::Get => (
            holds.clone(),
            RegisterReply::Value(holds.as_ref().map(|text| RegisterValue::of(text.as_bytes()))),
        ),
        Action::Incr(by) => match holds.as_deref().unwrap_or("0").parse::<i64>() {
            Ok(number) => (Some((number + by).to_string()), RegisterReply::Number(number + by)),
            Err(_) => (holds.clone(), RegisterReply::Refused),
        },
        Action::Append(token) => {
            let token = TOKENS.iter().find(|text| Text::of(text.as_bytes()) == token)?;
            let text = [holds.as_deref().unwrap_or(""), token].concat();
            let len = text.len() as u32;
            (Some(text), RegisterReply::Length(len))
        }
        Action::Del => (None, RegisterReply::Flag(holds.is_some())),
        Action::SetIfAbsent(value) if holds.is_none() => {
            (Some(shown(value)), RegisterReply::Flag(true))
        }
        Action::SetIfAbsent(_) => (holds.clone(), RegisterReply::Flag(false)),
    })
}

#[test]
fn histories_of_one_copy_are_accepted_whatever_the_seed() {
    for seed in 1..=10_000 {
        let mut dice = Dice(seed);
        let count = 1 + dice.below(40);
        let history = Mix::draw(&mut dice).history(&mut dice, count);

        assert!(is_linearizable(&history), "seed {seed}: {:?} {history:#?}", check(&history));
    }
}

#[test]
fn verdict_is_that_of_all_orders_tried_whatever_the_seed() {
    let (mut legal, mut illegal) = (0, 0);
    for seed in 1..=40_000 {
        let mut dice = Dice(seed);
        let count = 2 + dice.below(6);
        let mut history = Mix::draw(&mut dice).history(&mut dice, count);
        mutate(&mut dice, &mut history);

        let expected = some_order_is_legal(&mut history.clone(), &None);

        assert_eq!(is_linearizable(&history), expected, "seed {seed}: {history:#?}");
        *(if expected { &mut legal } else { &mut illegal }) += 1;
    }
    assert!(legal > 10_000 && illegal > 10_000, "{legal} legal, {illegal} illegal");
}

/// The model without its facts: the plain search of the papers.
struct Plain;

impl Model for Plain {
    type State = Option<RegisterValue>;
    type Op = Asked;

    fn step(state: &Option<RegisterValue>, asked: &Asked) -> Option<Option<RegisterValue>> {
        Register::step(state, asked)
    }
}

#[test]
fn facts_change_no_verdict_whatever_the_seed() {
    for seed in 1..=5_000 {
        let mut dice = Dice(seed);
        let mut history = Mix::draw(&mut dice).history(&mut dice, 14);
        mutate(&mut dice, &mut history);
        let asked = |o: &Operation| Asked { action: o.action, reply: o.answer.map(|a| a.1) };
        let asked: Vec<Asked> = history.iter().map(asked).collect();
        let event = |(o, op)| HistoryEvent {
            op,
            call: Operation::clone(o).call,
            end: o.answer.map(|a| a.0),
        };
        let events: Vec<HistoryEvent<'_, Asked>> = history.iter().zip(&asked).map(event).collect();

        let plain = match search::<Plain>(&events, 1 << 24) {
            SearchOutcome::Ordered => true,
            SearchOutcome::Stuck { .. } => false,
            other => panic!("seed {seed}: {other:?}"),
        };

        assert_eq!(is_linearizable(&history), plain, "seed {seed}: {history:#?}");
    }
}

/// A long history of `clients`, each waiting for its answer before it asks again.
fn long_history(dice: &mut Dice, mix: Mix, count: u64, clients: u64, keys: u64) -> Vec<Operation> {
    let mut free_at = vec![0; clients as usize];
    let mut moments = Vec::new();
    for n in 0..count {
        let free = &mut free_at[(n % clients) as usize];
        let call = *free + dice.below(20);
        let moment = call + 1 + dice.below(500);
        let end = moment + 1 + dice.below(500);
        *free = end + 1;
        moments.push((moment, n, call, end));
    }
    moments.sort_unstable();
    let mut states = vec![None; keys as usize];
    let operation = |(_, n, call, end): (u64, u64, u64, u64)| {
        let key = dice.below(keys);
        let action = match mix.action(dice) {
            Action::Set(_) if mix.values > 100 => Action::Set(number(n as i64 + 1000)),
            action => action,
        };
        let is_unanswered = dice.below(1000) < mix.unanswered_percent;
        if is_unanswered && dice.below(2) == 0 {
            return Operation { key, call, action, answer: None };
        }
        let (after, reply) = execute(states[key as usize], action);
        states[key as usize] = after;
        Operation { key, call, action, answer: (!is_unanswered).then_some((end, reply)) }
    };
    moments.into_iter().map(operation).collect()
}

#[test]
#[ignore = "prints how long long histories take; run it in release"]
fn long_histories_are_checked_fast() {
    let sizes = [
        (300, 10, 1),
        (10_000, 10, 10),
        (10_000, 10, 1),
        (100_000, 10, 100),
        (100_000, 30, 10),
        (100_000, 10, 1),
    ];
    let mixes = [
        ("set get", 0b11, 1000, 0),
        ("set get, 0.5 % unanswered", 0b11, 1000, 5),
        ("set get of 3 values", 0b11, 3, 0),
        ("set get of 3 values, 0.5 % unanswered", 0b11, 3, 5),
        ("get incr append", 0b1110, 1000, 0),
        ("all kinds", 0b111111, 1000, 0),
        ("all kinds, 0.5 % unanswered", 0b111111, 1000, 5),
    ];
    for (name, kinds, values, unanswered_percent) in mixes {
        for (count, clients, keys) in sizes {
            let mix = Mix { kinds, values, overlap: 0, unanswered_percent };
            let mut dice = Dice(7);
            let history = long_history(&mut dice, mix, count, clients, keys);
            let mut bad = history.clone();
            let reads =
                |o: &Operation| matches!(o.answer, Some((_, RegisterReply::Value(Some(_)))));
            let last = bad.iter().rposition(reads).expect("there are reads");
            let key = bad[last].key;
            let first = bad.iter().find(|o| o.key == key && reads(o)).and_then(|o| o.answer);
            if let (Some((_, reply)), Some((_, stale))) = (&mut bad[last].answer, first) {
                *reply = stale;
            }
            let time = |history: &[Operation]| {
                #[allow(clippy::disallowed_methods, reason = "it is what is measured")]
                let start = std::time::Instant::now();
                let verdict = check(history);
                let shown = format!("{verdict:?}");
                let shown: String = shown.chars().take_while(|c| *c != ' ').collect();
                format!("{:9.3} ms {shown:13}", start.elapsed().as_secs_f64() * 1e3)
            };
            println!(
                "{name:38} {count:6} ops {clients:2} clients {keys:3} keys: {} last read stale: {}",
                time(&history),
                time(&bad)
            );
        }
    }
}
