//! Hostile bytes: random ones, and good messages cut, bent and blown up.

use super::heap::watch;

/// How long a hostile message is at most, unless a test says otherwise.
const LEN_MAX: usize = 4 * 1024;

/// What a decoder may take whatever the length: a length prefix alone makes serde reserve up to
/// 1 MiB for a sequence, which nest a few deep.
pub(crate) const FIXED_BYTES: usize = 4 * 1024 * 1024;

/// What it may take for each byte that it was given.
pub(crate) const BYTES_PER_BYTE: usize = 64;

/// Lengths as codecs write them: huge, and just what some limit allows.
const LENGTHS: [&[u8]; 8] = [
    &[0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    &[0xfd, 0, 0, 0, 0, 1, 0, 0, 0],
    &[0xfc, 0xff, 0xff, 0xff, 0xff],
    &[0xfc, 0, 0, 0x9f, 0],
    &[0xfb, 0xff, 0xff],
    &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
    &[0xff, 0xff, 0xff, 0x04],
    &[0xfa],
];

/// Makes one hostile message after the other, the same for the same seed.
pub(crate) struct Hostile {
    random: SplitMix,
    good: Vec<Vec<u8>>,
}

/// SplitMix64 (Steele, Lea and Flood, 2014): good enough to choose, and no dependency.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

impl Hostile {
    /// Begins from good messages.
    pub(crate) fn new(seed: u64, good: Vec<Vec<u8>>) -> Self {
        Self { random: SplitMix(seed), good }
    }

    /// The next message; now and then a good one.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        if self.below(8) == 0 {
            return (0..self.below(64)).map(|_| self.random.next() as u8).collect();
        }
        let mut bytes = self.any_good();
        for _ in 0..self.below(4) {
            self.bend(&mut bytes);
        }
        bytes.truncate(LEN_MAX);
        bytes
    }

    /// A number below a bound.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound)
    }

    fn any_good(&mut self) -> Vec<u8> {
        let number = self.below(self.good.len());
        self.good[number].clone()
    }

    fn any_length(&mut self) -> Vec<u8> {
        LENGTHS[self.below(LENGTHS.len())].to_vec()
    }

    fn bend(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        match self.below(8) {
            0 => bytes.truncate(at),
            1 | 2 => {
                let bit = self.below(8);
                bytes.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << bit);
            }
            3 => {
                let other = self.random.next() as u8;
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = other);
            }
            4 => drop(bytes.splice(at..at, self.any_length())),
            5 => {
                let length = self.any_length();
                let end = bytes.len().min(at + length.len());
                drop(bytes.splice(at..end, length));
            }
            6 => {
                let other = self.any_good();
                let from = self.below(other.len() + 1);
                drop(bytes.splice(at.., other[from..].to_vec()));
            }
            _ => {
                let end = bytes.len().min(at + 1 + self.below(40));
                let part = bytes[at..end].repeat(1 + self.below(60));
                drop(bytes.splice(at..at, part));
            }
        }
    }
}

/// Gives a decoder hostile messages and checks what it takes. It answers whether the message was
/// good; an error must say something.
pub(crate) fn bombard<E: std::fmt::Display>(
    hostile: &mut Hostile,
    messages: usize,
    mut decode: impl FnMut(&[u8]) -> Result<(), E>,
) {
    let mut refused = 0;
    for number in 0..messages {
        let bytes = hostile.next();
        let taken = watch(|| decode(&bytes));
        let allowed = FIXED_BYTES + BYTES_PER_BYTE * bytes.len();
        assert!(
            taken.peak_bytes <= allowed,
            "message {number} of {} bytes took {} bytes: {bytes:02x?}",
            bytes.len(),
            taken.peak_bytes
        );
        if let Err(error) = taken.result {
            refused += 1;
            let text = error.to_string();
            assert!(text.len() > 8 && text.len() < 4096, "message {number}: {text:?}");
        }
    }
    assert!(refused * 4 > messages, "only {refused} of {messages} were refused");
}

/// A length prefix once reserved all that the codec's limit allows, 16 MiB for each of the strings
/// that a message of a few bytes announced.
#[test]
fn a_string_takes_no_more_than_the_input_holds() {
    let len = u32::try_from(aspen_core::codec::DECODE_BYTES_MAX - 64).unwrap();
    let announced = [&[0xfc][..], &len.to_le_bytes(), b"not so many"].concat();
    let bytes = watch(|| aspen_core::codec::decode::<bytes::Bytes>(&announced));
    let text = watch(|| aspen_core::codec::decode::<String>(&announced));
    assert!(bytes.result.is_err() && text.result.is_err());
    let peak_bytes = bytes.peak_bytes.max(text.peak_bytes);
    assert!(peak_bytes < 4096, "{peak_bytes} bytes");
}
