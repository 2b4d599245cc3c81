//! Bytes that FoundationDB's bindings make: its specification's test cases, those of the Java
//! binding's serialization test, and the Go binding's golden file.

use aspen_core::Versionstamp;
use aspen_layers::tuple::{
    Element, Integer, Tuple, TupleVersionstamp, UnpackReason, Uuid, pack, unpack,
};

fn one(element: impl Into<Element>) -> Tuple {
    Tuple::new().with(element)
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| (pair[0] * 16 + pair[1]) as u8).collect()
}

/// Both ways.
fn check(tuple: &Tuple, packed: &[u8]) {
    assert_eq!(pack(tuple).unwrap().escape_ascii().to_string(), packed.escape_ascii().to_string());
    assert_eq!(unpack::<Tuple>(packed).unwrap(), *tuple);
}

#[test]
fn the_cases_of_the_specification() {
    check(&one(&b"foo\0bar"[..]), b"\x01foo\x00\xffbar\x00");
    check(&one("F\u{d4}O\0bar"), b"\x02F\xc3\x94O\x00\xffbar\x00");
    let nested = one(&b"foo\0bar"[..]).with(Element::Null).with(Tuple::new());
    check(&one(nested), b"\x05\x01foo\x00\xffbar\x00\x00\xff\x05\x00\x00");
    check(&one(-5_551_212), b"\x11\xabK\x93");
    check(&one(-42_f32), b"\x20\x3d\xd7\xff\xff");
    check(&one(-1), b"\x13\xfe");
    check(&one(Tuple::new()), b"\x05\x00");
    check(&one(one(Element::Null)), b"\x05\x00\xff\x00");
}

#[test]
fn integers() {
    let cases: [(Integer, &[u8]); 19] = [
        (0.into(), b"\x14"),
        (1.into(), b"\x15\x01"),
        ((-1).into(), b"\x13\xfe"),
        (255.into(), b"\x15\xff"),
        ((-255).into(), b"\x13\x00"),
        (256.into(), b"\x16\x01\x00"),
        ((-256).into(), b"\x12\xfe\xff"),
        (65_536.into(), b"\x17\x01\x00\x00"),
        ((-65_536).into(), b"\x11\xfe\xff\xff"),
        (0x3019.into(), b"\x16\x30\x19"),
        ((-0xffff_ffff_i64).into(), b"\x10\x00\x00\x00\x00"),
        (i64::MAX.into(), b"\x1c\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ((1_u64 << 63).into(), b"\x1c\x80\x00\x00\x00\x00\x00\x00\x00"),
        (u64::MAX.into(), b"\x1c\xff\xff\xff\xff\xff\xff\xff\xff"),
        ((i64::MIN + 2).into(), b"\x0c\x80\x00\x00\x00\x00\x00\x00\x01"),
        ((i64::MIN + 1).into(), b"\x0c\x80\x00\x00\x00\x00\x00\x00\x00"),
        (i64::MIN.into(), b"\x0c\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ((i128::from(i64::MIN) - 1).into(), b"\x0c\x7f\xff\xff\xff\xff\xff\xff\xfe"),
        ((-i128::from(u64::MAX)).into(), b"\x0c\x00\x00\x00\x00\x00\x00\x00\x00"),
    ];
    for (integer, packed) in cases {
        check(&one(integer), packed);
    }
}

/// Beyond 8 bytes: a code, the length, the bytes; all but the code flipped when it is negative.
#[test]
fn large_integers() {
    let power = |negative, bits: usize| {
        let magnitude = [vec![1_u8 << (bits % 8)], vec![0; bits / 8]].concat();
        one(Integer::from_magnitude(negative, &magnitude).unwrap())
    };
    for (bits, first) in [(64, 1), (65, 2), (127, 0x80), (128, 1), (2039, 0x80)] {
        let (len, zeros) = (bits / 8 + 1, vec![0_u8; bits / 8]);
        let packed = [vec![0x1d, len as u8, first], zeros].concat();
        check(&power(false, bits), &packed);
        let flipped: Vec<u8> = packed[1..].iter().map(|byte| !byte).collect();
        check(&power(true, bits), &[&[0x0b][..], &flipped].concat());
    }
    check(&one(1_u128 << 64), b"\x1d\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00");
    check(&one(-(1_i128 << 64)), b"\x0b\xf6\xfe\xff\xff\xff\xff\xff\xff\xff\xff");
}

#[test]
#[allow(clippy::approx_constant, reason = "the vectors have it so")]
fn floats() {
    let cases: [(Element, &[u8]); 17] = [
        (3.14_f32.into(), b"\x20\xc0\x48\xf5\xc3"),
        ((-3.14_f32).into(), b"\x20\x3f\xb7\x0a\x3c"),
        (3.14_f64.into(), b"\x21\xc0\x09\x1e\xb8\x51\xeb\x85\x1f"),
        ((-3.14_f64).into(), b"\x21\x3f\xf6\xe1\x47\xae\x14\x7a\xe0"),
        (0.0_f32.into(), b"\x20\x80\x00\x00\x00"),
        ((-0.0_f32).into(), b"\x20\x7f\xff\xff\xff"),
        (0.0_f64.into(), b"\x21\x80\x00\x00\x00\x00\x00\x00\x00"),
        ((-0.0_f64).into(), b"\x21\x7f\xff\xff\xff\xff\xff\xff\xff"),
        (f32::INFINITY.into(), b"\x20\xff\x80\x00\x00"),
        (f32::NEG_INFINITY.into(), b"\x20\x00\x7f\xff\xff"),
        (f64::INFINITY.into(), b"\x21\xff\xf0\x00\x00\x00\x00\x00\x00"),
        (f64::NEG_INFINITY.into(), b"\x21\x00\x0f\xff\xff\xff\xff\xff\xff"),
        (f32::from_bits(0x7fff_ffff).into(), b"\x20\xff\xff\xff\xff"),
        (f32::from_bits(0xffff_ffff).into(), b"\x20\x00\x00\x00\x00"),
        (f32::from_bits(0x7fa0_0001).into(), b"\x20\xff\xa0\x00\x01"),
        (f64::from_bits(u64::MAX >> 1).into(), b"\x21\xff\xff\xff\xff\xff\xff\xff\xff"),
        (f64::from_bits(u64::MAX).into(), b"\x21\x00\x00\x00\x00\x00\x00\x00\x00"),
    ];
    for (element, packed) in cases {
        check(&one(element), packed);
    }
}

#[test]
fn text_bytes_and_what_nests() {
    check(&Tuple::new(), b"");
    check(&one(Element::Null), b"\x00");
    check(&one(vec![]), b"\x01\x00");
    check(&one(vec![1, 2, 3]), b"\x01\x01\x02\x03\x00");
    check(&one(vec![0, 0, 0, 4]), b"\x01\x00\xff\x00\xff\x00\xff\x04\x00");
    check(&one(""), b"\x02\x00");
    check(&one("hello"), b"\x02hello\x00");
    check(&one("\u{4e2d}\u{6587}"), b"\x02\xe4\xb8\xad\xe6\x96\x87\x00");
    check(&one("\u{1f525}"), b"\x02\xf0\x9f\x94\xa5\x00");
    check(&one("\u{10ffff}"), b"\x02\xf4\x8f\xbf\xbf\x00");
    check(&one(one(Element::Null).with("hello")), b"\x05\x00\xff\x02hello\x00\x00");
    check(&one(one(Element::Null).with("hell\0")), b"\x05\x00\xff\x02hell\x00\xff\x00\x00");
    let after = one(one(Element::Null)).with("hello").with(vec![1, 0]).with(vec![]);
    check(&after, b"\x05\x00\xff\x00\x02hello\x00\x01\x01\x00\xff\x00\x01\x00");
}

#[test]
fn bools_uuids_and_versionstamps() {
    check(&one(false), b"\x26");
    check(&one(true), b"\x27");
    let uuid = *b"\xff\xff\xff\xff\xba\x5e\xba\x11\x00\x00\x00\x00\x5c\xa1\xab\x1e";
    let uuid = Uuid::from_bytes(uuid);
    assert_eq!(uuid.to_string(), "ffffffff-ba5e-ba11-0000-00005ca1ab1e");
    check(&one(uuid), &[&[0x30][..], uuid.as_bytes()].concat());
    let stamp = Versionstamp::from_bytes(*b"\xaa\xbb\xcc\xdd\xee\xff\x00\x01\x02\x03");
    let packed = b"\x33\xaa\xbb\xcc\xdd\xee\xff\x00\x01\x02\x03\x00\x00";
    check(&one(TupleVersionstamp::complete(stamp, 0)), packed);
    let stamp = Versionstamp::from_bytes([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    let packed = b"\x33\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x02\x91";
    check(&one(TupleVersionstamp::complete(stamp, 657)), packed);
}

const SIMPLE: &str = "301100aabbccddeeff1100aabbccddeeff02666f6f62617262617a001604d200";

const NAMESPACES: &str = "\
    301100aabbccddeeff1100aabbccddeeff026769746875620002636f6d00026170706c650002666f756e6461\
    74696f6e646200027472656500";

const UUIDS: &str = "\
    301100aabbccddeeff1100aabbccddeeff27301100aabbccddeeff1100aabbccddeeff26301100aabbccddee\
    ff1100aabbccddeeff27301100aabbccddeeff1100aabbccddeeff26301100aabbccddeeff1100aabbccddee\
    ff27";

const LARGE_BYTES: &str = "\
    301100aabbccddeeff1100aabbccddeeff01ff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00\
    ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00ffffff00\
    ffffff00ffffff00ffff00";

const INTEGERS: &str = "\
    1c4d65822107fcfd521c78629a0f5f3f164f1c55104dc76695721d1c380704bb7b4d7c031c365a858149c6e2\
    d11c57e9d1860d1d68d81c0866cb397916001e1c1408d2ac22c4d2941c0c697f48392907a01c268447a4189d\
    eb991c41f27cc6f3875d041c68255aaf95e946271c1b6cffa2ba5179361c30b95ff183c471d41c28b621587c\
    b3ad0b1c3c04951aa42655d91c243a768b7c4e0b681c25845c95d4491d1b1c56ec3f25256321861c1bf98be2\
    a9d78d73";

const FLOATS: &str = "\
    20bedcf19820bf7fe77f20403ceea020415deed420bff1d9f720bf8ce4b2204081db9420bf7d5da92040e280\
    b62040485061203ff64edc20be0ca59420bee2b9a62040a7665b2042566f8e20be1fdfa020404651f920be8f\
    3a922040216b8320bf33e771";

const DOUBLES: &str = "\
    21bfd62723c1b6f6dd21400ee3245c34e7e5214015560017966a8721bfd52376175b073621bffbee8ee1d3fa\
    a021400e118e1992974a21bfe837b2346c3b4921bfedac6dd7b20068214008b63f89d1a90e21bfef2318fffc\
    cd4421402d1b3830df2bfd21bfe052df057667ba214021c882b2116f8721bfd0193b69b7949a21404b062557\
    72469721bfc5561f1926812821bfd74c83e596dc08214005c8204b0b973d21bfeabdcb90f74ea621bff277ba\
    baceb8a4";

const NESTED: &str = "\
    301100aabbccddeeff1100aabbccddeeff051c7767830356aa6b861c5ef4e81ede4561ad1c6688f8bd3e99b0\
    a81c5d78399cbed80a3a000005016e616d65737061636500016e616d65737061636500016e616d6573706163\
    6500016e616d6573706163650000000521bfe580903870639c21bff6b976fe5e338421402865ef06e7bc2321\
    402ad9cbe11b63c90000";

#[test]
fn the_golden_file_of_the_go_binding() {
    let uuid = *b"\x11\x00\xaa\xbb\xcc\xdd\xee\xff\x11\x00\xaa\xbb\xcc\xdd\xee\xff";
    let uuid = Uuid::from_bytes(uuid);
    check(&one(uuid).with("foobarbaz").with(1234).with(Element::Null), &bytes_of(SIMPLE));
    let path = ["github", "com", "apple", "foundationdb", "tree"];
    check(&path.into_iter().fold(one(uuid), Tuple::with), &bytes_of(NAMESPACES));
    let uuids = [true, false, true, false].into_iter();
    let uuids = uuids.fold(one(uuid), |tuple, truth| tuple.with(truth).with(uuid)).with(true);
    check(&uuids, &bytes_of(UUIDS));
    check(&one(uuid).with([0xff, 0, 0xff].repeat(20)), &bytes_of(LARGE_BYTES));
    for (hex, len) in [(INTEGERS, 20), (FLOATS, 20), (DOUBLES, 20), (NESTED, 7)] {
        let tuple: Tuple = unpack(&bytes_of(hex)).unwrap();
        assert_eq!(tuple.elements().len(), len, "{tuple}");
        check(&tuple, &bytes_of(hex));
    }
}

/// The Go binding's text need not be UTF-8; ours must, as the specification says.
#[test]
fn text_that_is_not_utf_8_is_refused() {
    let error = unpack::<Tuple>(b"\x02nam\x00\xffes\xffpace\x00").unwrap_err();
    assert_eq!((error.offset, error.reason), (0, UnpackReason::NotUtf8));
}
