//! Where the frames of a WebSocket begin (RFC 6455, section 5.2): all that has to be known of a
//! connection whose every frame is to be permitted and none is to be changed.

/// The most bytes that a frame's header has.
const HEADER: usize = 14;

/// Walks over the bytes of one direction.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What has come of the header of a frame.
    header: [u8; HEADER],
    /// How much that is.
    have: usize,
    /// What is still to come of its payload, once the header is known.
    left: Option<u64>,
}

impl Frames {
    /// Whether the next byte begins a frame.
    pub(super) fn at_boundary(&self) -> bool {
        self.have == 0 && self.left.is_none()
    }

    /// How many of these bytes, one at least of some, belong to the frame that has begun or begins
    /// with them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> usize {
        let mut taken = 0;
        while self.left.is_none() {
            let Some(byte) = bytes.get(taken) else { return taken };
            taken += 1;
            if let Some(place) = self.header.get_mut(self.have) {
                *place = *byte;
            }
            self.have += 1;
            self.left = self.payload();
        }
        let left = self.left.unwrap_or_default();
        let rest = u64::try_from(bytes.len().saturating_sub(taken)).unwrap_or(u64::MAX);
        let more = left.min(rest);
        if more == left {
            *self = Self::default();
        } else {
            self.left = Some(left - more);
        }
        taken + usize::try_from(more).unwrap_or_default()
    }

    /// The length of the payload, once the header is there.
    fn payload(&self) -> Option<u64> {
        let [_, second, rest @ ..] = &self.header;
        if self.have < 2 {
            return None;
        }
        let mask = if second & 0x80 == 0 { 0 } else { 4 };
        let extra = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if self.have < 2 + extra + mask {
            return None;
        }
        Some(match extra {
            0 => u64::from(second & 0x7f),
            extra => rest.iter().take(extra).fold(0, |all, byte| all << 8 | u64::from(*byte)),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(length: usize, masked: bool) -> Vec<u8> {
        let mask = if masked { 0x80 } else { 0 };
        let mut out = vec![0x82];
        match length {
            0..=125 => out.push(mask | u8::try_from(length).unwrap()),
            126..=0xffff => {
                out.push(mask | 126);
                out.extend(u16::try_from(length).unwrap().to_be_bytes());
            }
            _ => {
                out.push(mask | 127);
                out.extend(u64::try_from(length).unwrap().to_be_bytes());
            }
        }
        if masked {
            out.extend([1, 2, 3, 4]);
        }
        out.extend(std::iter::repeat_n(0x81, length));
        out
    }

    proptest! {
        #[test]
        fn frames_are_told_apart_however_they_are_cut(
            lengths in proptest::collection::vec(
                (prop_oneof![0_usize..200, 65_500_usize..65_600, 120_usize..130], any::<bool>()), 1..8),
            cuts in proptest::collection::vec(1_usize..5_000, 1..50),
        ) {
            let all: Vec<Vec<u8>> = lengths.iter().map(|(length, masked)| frame(*length, *masked)).collect();
            let bytes: Vec<u8> = all.concat();
            let mut frames = Frames::default();
            let mut begun = Vec::new();
            let mut at = 0;
            let mut cuts = cuts.iter().cycle();
            while at < bytes.len() {
                let end = bytes.len().min(at + cuts.next().unwrap());
                while at < end {
                    if frames.at_boundary() {
                        begun.push(at);
                    }
                    let taken = frames.take(&bytes[at..end]);
                    prop_assert!(taken > 0);
                    at += taken;
                }
            }
            prop_assert!(frames.at_boundary());
            let mut starts = vec![0];
            starts.extend(all.iter().scan(0, |sum, it| { *sum += it.len(); Some(*sum) }));
            starts.pop();
            prop_assert_eq!(begun, starts);
        }

        #[test]
        fn nothing_that_comes_breaks_it(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut frames = Frames::default();
            let mut at = 0;
            while at < bytes.len() {
                let taken = frames.take(&bytes[at..]);
                prop_assert!(taken > 0 && at + taken <= bytes.len());
                at += taken;
            }
        }
    }
}
