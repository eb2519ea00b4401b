//! A stand-in for a node: it serves the page, and tells it what a test wants.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use taraflow::web::page::{self, Figures};

use super::frames;

/// The node. Its threads end with the test's process.
pub struct Stub {
    pub url: String,
    told: Arc<Told>,
}

#[derive(Default)]
struct Told {
    /// Events, in the form in which they are sent.
    events: Mutex<Vec<String>>,
    /// How often all connections were cut.
    cuts: AtomicU64,
    /// What was asked to be done.
    deeds: Mutex<Vec<String>>,
}

impl Stub {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let told = Arc::new(Told::default());
        let all = Arc::clone(&told);
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let told = Arc::clone(&all);
                // Whoever asked may be gone.
                thread::spawn(move || answer(socket, &told));
            }
        });
        Self { url, told }
    }

    /// Tells all who listen, and those who come later.
    pub fn tell(&self, event: &str, data: &str) {
        self.told.events.lock().unwrap().push(format!("event: {event}\ndata: {data}\n\n"));
    }

    /// Ends the connections of all who listen, and says nothing to those who come until it is told
    /// something new.
    pub fn cut(&self) {
        self.told.events.lock().unwrap().clear();
        self.told.cuts.fetch_add(1, Ordering::SeqCst);
    }

    /// What the page has asked to be done.
    pub fn deeds(&self) -> Vec<String> {
        self.told.deeds.lock().unwrap().clone()
    }
}

fn answer(socket: TcpStream, told: &Told) -> Option<()> {
    let mut lines = BufReader::new(socket.try_clone().ok()?).lines();
    let first = lines.next()?.ok()?;
    let mut streams = false;
    loop {
        let line = lines.next()?.ok()?.to_ascii_lowercase();
        streams |= line.starts_with("accept:") && line.contains("text/event-stream");
        if line.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    let script = path
        .strip_prefix("/page/")
        .and_then(|name| page::ASSETS.iter().copied().flatten().find(|asset| asset.name == name));
    match (method, path) {
        ("POST", _) => {
            told.deeds.lock().ok()?.push(path.to_owned());
            reply(socket, "204 No Content", "text/plain", "")
        }
        ("GET", "/") => reply(socket, "200 OK", "text/html", page::INDEX),
        ("GET", "/v1/graph") => {
            let figures = serde_json::to_string(&Figures::of(&frames::graph())).ok()?;
            reply(socket, "200 OK", "application/json", &figures)
        }
        ("GET", "/v1") => {
            let paths = ["kill", "pause", "restart"]
                .map(|deed| format!("{{\"path\":\"/v1/replicas/{{replica}}/{deed}\"}}"));
            let index = format!("{{\"version\":1,\"paths\":[{}]}}", paths.join(","));
            reply(socket, "200 OK", "application/json", &index)
        }
        ("GET", "/v1/scene") => {
            let scene = "{\"version\":1,\"at_us\":1,\"replicas\":[],\"findings\":[]}";
            reply(socket, "200 OK", "application/json", scene)
        }
        ("GET", "/v1/settings") => {
            let settings = "{\"version\":1,\"replica\":0,\"settings\":[{\"name\":\"limits.window\",\
                            \"value\":\"4096\"}]}";
            reply(socket, "200 OK", "application/json", settings)
        }
        ("GET", "/v1/slots") => {
            let slots = "{\"version\":1,\"replica\":0,\"lost\":0,\"oldest\":null,\"slots\":[]}";
            reply(socket, "200 OK", "application/json", slots)
        }
        ("GET", "/v1/history") => {
            let point = |age_s: u64| {
                format!(
                    "{{\"age_ms\":{age_s}000,\"request_rate\":777,\"p50_us\":640,\"p99_us\":2500}}"
                )
            };
            let points: Vec<_> = (100..=290).rev().map(point).collect();
            let history = format!(
                "{{\"version\":1,\"replicas\":[{{\"replica\":0,\"points\":[{}]}}]}}",
                points.join(",")
            );
            reply(socket, "200 OK", "application/json", &history)
        }
        ("GET", "/v1/events") if streams => events(socket, told),
        ("GET", "/v1/events") => {
            let past = "{\"version\":1,\"replica\":0,\"happened\":[{\"at_us\":1,\"kind\":\"started\",\
                        \"text\":\"has started, in view 0\"}]}";
            reply(socket, "200 OK", "application/json", past)
        }
        _ => match script {
            Some(asset) => reply(socket, "200 OK", asset.media_type, asset.text),
            None => reply(socket, "404 Not Found", "text/plain", "nothing is here"),
        },
    }
}

fn reply(mut socket: TcpStream, status: &str, media_type: &str, body: &str) -> Option<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\
         Content-Security-Policy: {}\r\nConnection: close\r\n\r\n",
        body.len(),
        page::CONTENT_SECURITY_POLICY
    );
    socket.write_all((head + body).as_bytes()).ok()
}

fn events(mut socket: TcpStream, told: &Told) -> Option<()> {
    let cuts = told.cuts.load(Ordering::SeqCst);
    socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n").ok()?;
    let mut sent = 0;
    while told.cuts.load(Ordering::SeqCst) == cuts {
        let new = told.events.lock().ok()?.get(sent..).unwrap_or_default().to_vec();
        sent += new.len();
        for event in new {
            socket.write_all(event.as_bytes()).ok()?;
        }
        thread::sleep(Duration::from_millis(20));
    }
    Some(())
}
