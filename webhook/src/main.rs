//! `netdoctor-webhook`

fn main() {}
