//! Bytes that are no tuple.

use aspen_layers::tuple::{Tuple, pack, unpack};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::generated::{cases, tuple};

/// The Java binding's malformed sequences, and more: what must be said, and where.
#[test]
fn malformed_bytes_are_told_with_their_offset() {
    let cases: [(&[u8], &str); 32] = [
        (b"\x01\xde\xad\xc0\xde", "offset 5, the bytes end within bytes"),
        (b"\x01\xde\xad\x00\xff\xc0\xde", "offset 7, the bytes end within bytes"),
        (b"\x02hello", "offset 6, the bytes end within text"),
        (b"\x02hel\x00\xfflo", "offset 8, the bytes end within text"),
        (b"\x02utf\x08\x80\x00", "offset 0, the text is not UTF-8"),
        (b"\x02utf\x08\xc0\x01\x00", "offset 0, the text is not UTF-8"),
        (b"\x02utf\x10\xed\xa0\xbd\x00", "offset 0, the text is not UTF-8"),
        (b"\x02utf\x10\xed\xb4\xa5\x00", "offset 0, the text is not UTF-8"),
        (b"\x02utf\x10\xed\xa0\xbd\xed\xb4\xa5\x00", "offset 0, the text is not UTF-8"),
        (b"\x05\x02hello\x00", "offset 8, the bytes end within"),
        (b"\x05\x02hello\x00\x00\xff\x02there\x00", "offset 17, the bytes end within"),
        (b"\x16\x01", "offset 2, the bytes end within an integer"),
        (b"\x12\x01", "offset 2, the bytes end within an integer"),
        (b"\x1d\x09\x01\x02\x03\x04\x05\x06\x07\x08", "offset 10, the bytes end within an integer"),
        (b"\x0b\xf6\x01\x02\x03\x04\x05\x06\x07\x08", "offset 10, the bytes end within an integer"),
        (b"\x1d", "offset 1, the bytes end within an integer"),
        (b"\x20\x01\x02\x03", "offset 4, the bytes end within a 32-bit float"),
        (b"\x21\x01\x02\x03\x04\x05\x06\x07", "offset 8, the bytes end within a 64-bit float"),
        (b"\x30\x01\x02\x03", "offset 4, the bytes end within a UUID"),
        (b"\x33\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b", "offset 12, the bytes end within a"),
        (b"\xff", "offset 0, no type has the code 0xff"),
        (b"\x26\x06", "offset 1, no type has the code 0x06"),
        (b"\x15\x00", "offset 0, the integer has more bytes than it needs"),
        (b"\x13\xff", "offset 0, the integer has more bytes than it needs"),
        (b"\x1d\x01\x05", "offset 0, the integer has more bytes than it needs"),
        (b"\x1d\x00", "offset 0, the integer has more bytes than it needs"),
        (b"\x0b\xff", "offset 0, the integer has more bytes than it needs"),
        (b"\x1d\x09\x00\x02\x03\x04\x05\x06\x07\x08\x09", "offset 0, the integer has more bytes"),
        (b"\x22", "offset 0, the type code 0x22 is reserved for 80-bit floats"),
        (b"\x25", "offset 0, the type code 0x25 is reserved for the deprecated true"),
        (b"\x05\x00\xff\x40", "offset 3, the type code 0x40 is reserved for users' own types"),
        (b"\x05\x00\xff", "offset 3, the bytes end within"),
    ];
    for (bytes, expected) in cases {
        let error = unpack::<Tuple>(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{}: {error}, not {expected}", bytes.escape_ascii());
    }
}

proptest! {
    #![proptest_config(cases(4_000))]

    /// What is accepted is what is packed: two keys are never one tuple.
    #[test]
    fn random_bytes_are_refused_or_canonical(
        bytes in vec(prop_oneof![0_u8..0x34, any::<u8>()], 0..24),
    ) {
        match unpack::<Tuple>(&bytes) {
            Ok(tuple) => prop_assert_eq!(&pack(&tuple).unwrap(), &bytes),
            Err(error) => prop_assert!(error.offset <= bytes.len()),
        }
        // Typed ones go their own way through nested tuples.
        type Row = (Option<i64>, (Option<String>, (Option<Vec<u8>>,)));
        if let Ok(row) = unpack::<Row>(&bytes) {
            prop_assert_eq!(pack(&row).unwrap(), bytes);
        }
    }

    #[test]
    fn damaged_tuples_are_refused_or_canonical(
        tuple in tuple(),
        at in any::<usize>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = pack(&tuple).unwrap();
        let len = bytes.len().max(1);
        bytes.get_mut(at % len).into_iter().for_each(|damaged| *damaged = byte);
        if let Ok(tuple) = unpack::<Tuple>(&bytes) {
            prop_assert_eq!(pack(&tuple).unwrap(), bytes.clone());
        }
        bytes.truncate(at % len);
        if let Ok(tuple) = unpack::<Tuple>(&bytes) {
            prop_assert_eq!(pack(&tuple).unwrap(), bytes);
        }
    }
}
