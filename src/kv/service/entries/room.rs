//! Records with their index, in one piece of memory: who looks for a key of a small part waits for
//! one place of memory less than if they lay in two.

/// The hash of a key, and where its record begins: two numbers of four bytes, little-endian.
pub(super) type Spot = [u8; 8];

/// A spot of a record that begins at `at`.
pub(super) fn spot(hash: u32, at: usize) -> Spot {
    (u64::from(hash) | (at as u64) << 32).to_le_bytes()
}

#[inline]
pub(super) fn hash_of(spot: &Spot) -> u32 {
    u64::from_le_bytes(*spot) as u32
}

#[inline]
pub(super) fn start_of(spot: &Spot) -> usize {
    (u64::from_le_bytes(*spot) >> 32) as usize
}

/// Bytes of records in an order, and behind them a spot for each.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    all: Vec<u8>,
    records: usize,
}

impl Room {
    /// Such records.
    pub(super) fn new(bytes: Vec<u8>, spots: &[Spot]) -> Self {
        let mut all = bytes;
        all.reserve_exact(size_of_val(spots));
        all.extend_from_slice(spots.as_flattened());
        all.shrink_to_fit();
        Self { all, records: spots.len() }
    }

    /// How many records there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.records
    }

    /// The memory that it uses.
    pub(super) fn used_bytes(&self) -> usize {
        self.all.len()
    }

    /// The memory that it has and does not use.
    #[cfg(test)]
    pub(super) fn idle_bytes(&self) -> usize {
        self.all.capacity() - self.all.len()
    }

    #[inline]
    fn end(&self) -> usize {
        self.all.len() - self.records * size_of::<Spot>()
    }

    /// The bytes of all records.
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.all[..self.end()]
    }

    /// The same, to write over them.
    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        let end = self.end();
        &mut self.all[..end]
    }

    /// The spots of all records.
    #[inline]
    pub(super) fn spots(&self) -> &[Spot] {
        self.all[self.end()..].as_chunks().0
    }

    /// Where the record at `index` begins, or would.
    #[inline]
    pub(super) fn start(&self, index: usize) -> usize {
        self.spots().get(index).map_or(self.end(), start_of)
    }

    #[inline]
    pub(super) fn hash(&self, index: usize) -> u32 {
        hash_of(&self.spots()[index])
    }

    /// The first place whose hash is not below this one. Hashes are spread evenly, so it is near
    /// where it should be; however they are, each step from there doubles the one before.
    #[inline]
    pub(super) fn first_from(&self, hash: u32) -> usize {
        let spots = self.spots();
        let guess = ((u64::from(hash) * spots.len() as u64) >> 32) as usize;
        let (mut from, mut to, mut step) = (0, spots.len(), 1);
        if spots.get(guess).is_some_and(|spot| hash_of(spot) < hash) {
            from = guess + 1;
            while from + step <= to {
                if hash_of(&spots[from + step - 1]) >= hash {
                    to = from + step - 1;
                    break;
                }
                from += step;
                step *= 2;
            }
        } else {
            to = guess;
            while step <= to {
                if hash_of(&spots[to - step]) < hash {
                    from = to - step + 1;
                    break;
                }
                to -= step;
                step *= 2;
            }
        }
        from + spots[from..to].partition_point(|spot| hash_of(spot) < hash)
    }

    /// Makes room for a record of so many bytes before the one at `index`.
    pub(super) fn insert(&mut self, index: usize, hash: u32, length: usize) {
        let (at, length_before) = (self.start(index), self.all.len());
        let spot_at = self.end() + index * size_of::<Spot>();
        make_room(&mut self.all, length + size_of::<Spot>());
        self.all.resize(length_before + size_of::<Spot>(), 0);
        self.all.copy_within(spot_at..length_before, spot_at + size_of::<Spot>());
        self.all[spot_at..][..size_of::<Spot>()].copy_from_slice(&spot(hash, at));
        self.records += 1;
        self.resize(index, 0, length);
    }

    /// Takes out the record at `index`, of so many bytes.
    pub(super) fn remove(&mut self, index: usize, length: usize) {
        self.resize(index, length, 0);
        let (spot_at, end) = (self.end() + index * size_of::<Spot>(), self.all.len());
        self.all.copy_within(spot_at + size_of::<Spot>().., spot_at);
        self.all.truncate(end - size_of::<Spot>());
        self.records -= 1;
    }

    /// Makes `new` bytes of the first `old` ones of the record at `index`.
    pub(super) fn resize(&mut self, index: usize, old: usize, new: usize) {
        let (at, length) = (self.start(index), self.all.len());
        if new > old {
            make_room(&mut self.all, new - old);
            self.all.resize(length + new - old, 0);
            self.all.copy_within(at + old..length, at + new);
        } else if new < old {
            self.all.copy_within(at + old.., at + new);
            self.all.truncate(length - (old - new));
            give_back(&mut self.all);
        } else {
            return;
        }
        let end = self.end();
        for behind in &mut self.all[end..].as_chunks_mut().0[index + 1..] {
            *behind = spot(hash_of(behind), start_of(behind) + new - old);
        }
    }
}

/// Makes room for so many more. Little is left idle: there are many parts.
pub(super) fn make_room<T>(room: &mut Vec<T>, more: usize) {
    if room.capacity() - room.len() < more {
        room.reserve_exact(more.max(room.len() / 8));
    }
}

/// Gives back what would stay idle after removals.
pub(super) fn give_back<T>(room: &mut Vec<T>) {
    if room.capacity() - room.len() > room.len() / 2 + 16 {
        room.shrink_to(room.len() + room.len() / 8);
    }
}
