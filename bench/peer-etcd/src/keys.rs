//! The keys and values that every workload uses.

/// `count` keys of 16 bytes each, in key order, and one value for all of them.
#[derive(Clone)]
pub struct Keys {
    count: u64,
    value: Vec<u8>,
}

impl Keys {
    /// Keys `0..count` with values of `value_bytes` bytes.
    pub fn new(count: u64, value_bytes: usize) -> Self {
        // Bytes that no compression can shorten, so that the figures hold for real data.
        let mut random = Random::new(0);
        let value = (0..value_bytes).map(|_| random.next().to_le_bytes()[0]).collect();
        Self { count: count.max(1), value }
    }

    /// How many keys there are; at least 1.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The key at `index`. Indices past the last key give bounds that sort behind it.
    pub fn key(&self, index: u64) -> Vec<u8> {
        format!("key-{index:012}").into_bytes()
    }

    /// The value of every key.
    pub fn value(&self) -> Vec<u8> {
        self.value.clone()
    }

    /// The index of a key, each as likely as any other.
    pub fn pick(&self, random: &mut Random) -> u64 {
        random.next() % self.count
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, fast and good enough to pick keys.
pub struct Random(u64);

impl Random {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number of the sequence.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_sixteen_bytes_and_sort_by_index() {
        let keys = Keys::new(1_000_000, 256);
        assert_eq!(keys.key(999_999).len(), 16);
        assert!(keys.key(9) < keys.key(10) && keys.key(999_999) < keys.key(1_000_000));
        assert_eq!(keys.value().len(), 256);
    }
}
