//! Records to import, in every format: one by one, and as a file.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for format in aspen_cli::fuzzing::FORMATS {
        let _ = aspen_cli::fuzzing::parse_record(format, bytes);
        let _ = aspen_fuzz::block_on(aspen_cli::fuzzing::import(format, bytes));
    }
});
