//! Reviews of any form, and reviews of objects with anything in their fields: every answer is one that an API server takes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use netdoctor_webhook::fuzzing;

fuzz_target!(|bytes: &[u8]| {
    fuzzing::admit(bytes);
    fuzzing::admit(&fuzzing::review(bytes));
});
