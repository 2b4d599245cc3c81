//! Transactions described in JSON.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(transaction) = aspen_cli::fuzzing::parse_transaction(bytes) {
        // What a file may say may still break a limit; that is the store's to judge.
        let _ = transaction.validate();
    }
});
