//! `#[test]` as wasm-bindgen-test has it, for a crate that imports it with `#[macro_use]`: that takes the place of the
//! standard one in all its modules, so that tests need not know what runs them. Elsewhere than in JavaScript it is empty.

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub use wasm_bindgen_test::wasm_bindgen_test as test;
