//! Reading a document never panics, and does not depend on how it is split: the first byte says how.
#![no_main]

use libfuzzer_sys::fuzz_target;
use slo_router::protocol::DocumentReader;

fuzz_target!(|input: &[u8]| {
    let Some((&size, document)) = input.split_first() else { return };
    let mut whole = DocumentReader::default();
    whole.feed(document);
    let mut split = DocumentReader::default();
    document.chunks(usize::from(size).max(1)).for_each(|chunk| split.feed(chunk));
    assert_eq!((whole.usage(), whole.fault()), (split.usage(), split.fault()));
    assert_eq!(whole.finish(), split.finish());
});
