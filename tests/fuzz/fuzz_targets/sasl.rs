#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| felice_tests::fuzzing::run("sasl", input));
