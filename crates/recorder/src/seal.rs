//! Sealing: the commitment that stands for a value in the log, and the opening that tells the value
//! beside it. Salts are made of a seed that stays with the session's secrets, so that none need be
//! stored and a commitment tells nothing to whoever has the log alone.
//!
//! Where openings are kept and how they are found again is [`crate::openings`]' business.

use crate::record::sealed::{
    Commitment, EachSealed, HasSealed, Openable, Opening, OpeningFault, Sealed,
};
use crate::record::value::{Text, TextRef};
use aws_lc_rs::digest::{SHA256, digest};
use std::fmt;

/// The secret that the salts of one log are made of.
#[derive(Clone)]
pub(crate) struct FieldSeed([u8; 32]);

impl FieldSeed {
    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// Seals every value of a record that has this nonce and number, and appends its opening, with
    /// a newline, to `openings`. Nothing is appended for a record without such values.
    pub(crate) fn seal(
        &self,
        nonce: &[u8; 16],
        seq: u64,
        record: &mut impl HasSealed,
        scratch: &mut Vec<u8>,
        openings: &mut Vec<u8>,
    ) {
        let salts = Salts { seed: self, nonce };
        let mut sealing = Sealing { salts, seq, values: 0, scratch, openings };
        record.each_sealed(&mut sealing);
        if sealing.values > 0 {
            openings.extend_from_slice(b"]}\n");
        }
    }

    /// Puts the values of an opening into the record whose commitments they open.
    ///
    /// # Errors
    /// [`OpeningFault`], after which the record is to be thrown away.
    pub(crate) fn open(
        &self,
        nonce: &[u8; 16],
        record: &mut impl HasSealed,
        opening: Opening,
    ) -> Result<(), OpeningFault> {
        let values = u32::try_from(opening.values.len()).unwrap_or(u32::MAX);
        let mut opener = Opener {
            salts: Salts { seed: self, nonce },
            commitments: 0,
            values: opening.values.into_iter(),
            scratch: Vec::new(),
            fault: None,
        };
        record.each_sealed(&mut opener);
        let commitments = opener.commitments;
        if commitments != values {
            return Err(OpeningFault::Count { commitments, values });
        }
        opener.fault.map_or(Ok(()), Err)
    }
}

impl fmt::Debug for FieldSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FieldSeed(..)")
    }
}

/// The salts of one record.
#[derive(Clone, Copy)]
struct Salts<'a> {
    seed: &'a FieldSeed,
    nonce: &'a [u8; 16],
}

impl Salts<'_> {
    /// `SHA-256(seed || nonce || index)`: 52 bytes, which is one block of the hash. The length is
    /// always the same, so that no salt is a beginning of another one's input.
    fn of(self, index: u32) -> [u8; 32] {
        let mut input = [0; 52];
        let parts = [&self.seed.0[..], self.nonce, &index.to_be_bytes()];
        for (to, from) in input.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        sha256(&input)
    }

    /// `SHA-256(0x05 || salt || value)`.
    fn commit(self, index: u32, value: &[u8], scratch: &mut Vec<u8>) -> Commitment {
        scratch.clear();
        scratch.push(FIELD_PREFIX);
        scratch.extend_from_slice(&self.of(index));
        scratch.extend_from_slice(value);
        Commitment(sha256(scratch))
    }
}

struct Sealing<'a> {
    salts: Salts<'a>,
    seq: u64,
    values: u32,
    scratch: &'a mut Vec<u8>,
    openings: &'a mut Vec<u8>,
}

impl EachSealed for Sealing<'_> {
    fn value<T: Openable>(&mut self, sealed: &mut Sealed<T>) {
        let Sealed::Open(value) = sealed else {
            debug_assert!(false, "what is sealed already cannot be sealed again");
            return;
        };
        let bytes = value.bytes();
        if self.values == 0 {
            self.openings.extend_from_slice(b"{\"seq\":");
            self.openings.extend_from_slice(self.seq.to_string().as_bytes());
            self.openings.extend_from_slice(b",\"values\":[");
        } else {
            self.openings.push(b',');
        }
        // Writing to memory cannot fail, and every text has a form in JSON.
        let written = serde_json::to_writer(&mut *self.openings, &TextRef(&bytes));
        debug_assert!(written.is_ok(), "a text that JSON cannot express");
        let commitment = self.salts.commit(self.values, &bytes, self.scratch);
        self.values += 1;
        drop(bytes);
        *sealed = Sealed::Hidden(commitment);
    }
}

struct Opener<'a> {
    salts: Salts<'a>,
    commitments: u32,
    values: std::vec::IntoIter<Text>,
    scratch: Vec<u8>,
    fault: Option<OpeningFault>,
}

impl EachSealed for Opener<'_> {
    fn value<T: Openable>(&mut self, sealed: &mut Sealed<T>) {
        let value = self.commitments;
        self.commitments += 1;
        let (Sealed::Hidden(commitment), Some(Text(bytes))) = (&*sealed, self.values.next()) else {
            return;
        };
        if self.salts.commit(value, &bytes, &mut self.scratch) != *commitment {
            self.fault.get_or_insert(OpeningFault::Other { value });
            return;
        }
        match T::of_bytes(bytes) {
            Some(opened) => *sealed = Sealed::Open(opened),
            None => {
                self.fault.get_or_insert(OpeningFault::Kind { value });
            }
        }
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    *crate::merkle::Hash::from_digest(&digest(&SHA256, bytes)).as_bytes()
}

const FIELD_PREFIX: u8 = 0x05;
