#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::acpi_dmar(bytes));
