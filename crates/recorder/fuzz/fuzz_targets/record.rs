#![no_main]

use libfuzzer_sys::fuzz_target;
use recorder::Checkpoint;
use recorder::record::Record;

fuzz_target!(|input: &[u8]| {
    if let Ok(record) = Record::parse(input) {
        assert_eq!(record.line(), input, "a record with two spellings");
    }
    if let Ok(note) = std::str::from_utf8(input)
        && let Some(checkpoint) = Checkpoint::parse(note)
    {
        assert!(note.starts_with(&checkpoint.text()), "a checkpoint with two spellings");
    }
});
