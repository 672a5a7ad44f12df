//! Fuzz input as a stream of choices. After its end every choice is zero.

pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn byte(&mut self) -> u8 {
        match self.rest.split_first() {
            Some((first, rest)) => {
                self.rest = rest;
                *first
            }
            None => 0,
        }
    }

    pub fn short(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `bound`, or zero if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        let choice = usize::from(self.short());
        choice.checked_rem(bound).unwrap_or(0)
    }

    /// At most `most` bytes, as many as the next byte says.
    pub fn some(&mut self, most: usize) -> &'a [u8] {
        let length = usize::from(self.byte()).min(most).min(self.rest.len());
        let (some, rest) = self.rest.split_at(length);
        self.rest = rest;
        some
    }

    /// Changes bytes as the input says; they may come out as they were.
    pub fn bend(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bent = bytes.to_vec();
        let at = self.below(bent.len() + 1);
        match self.byte() % 6 {
            0 | 1 => {
                let mask = self.byte();
                if let Some(byte) = bent.get_mut(at) {
                    *byte ^= mask;
                }
            }
            2 => bent.truncate(at),
            3 => {
                let more = self.some(32);
                bent.splice(at..at, more.iter().copied());
            }
            4 => {
                let put = self.some(64);
                let end = (at + put.len()).min(bent.len());
                bent[at..end].copy_from_slice(&put[..end - at]);
            }
            _ => {
                let end = (at + usize::from(self.byte())).min(bent.len());
                bent.drain(at..end);
            }
        }
        bent
    }
}
