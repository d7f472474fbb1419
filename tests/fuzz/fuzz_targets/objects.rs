//! Objects with anything in their fields, judged by all rules: nothing may panic, not even inside a rule.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| netdoctor_engine::fuzzing::judge(bytes));
