//! What happens to bytes on the way: bits flip, ends are cut, fields get odd values, pieces stand twice.

use arbitrary::Arbitrary;

/// Values that are at the edge of something.
const EDGES: [u32; 12] =
    [0, 1, 2, 0x14, 0xff, 0x100, 0xfffe, 0xffff, 0x1_0000, 0x7fff_ffff, 0xffff_fffe, 0xffff_ffff];

/// One thing that goes wrong; places are taken modulo the length.
#[derive(Arbitrary, Clone, Copy, Debug)]
pub enum Damage {
    Flip {
        at: u16,
        bit: u8,
    },
    Byte {
        at: u16,
        value: u8,
    },
    Word {
        at: u16,
        edge: u8,
        big_endian: bool,
    },
    Copy {
        from: u16,
        to: u16,
        length: u8,
    },
    Double {
        at: u16,
        length: u8,
    },
    Remove {
        at: u16,
        length: u8,
    },
    Cut {
        at: u16,
    },
    /// Taken for text: converted to UTF-8, or with line ends of another system.
    Text {
        how: u8,
    },
}

/// Applies the first few of them.
pub fn all(bytes: &mut Vec<u8>, damage: &[Damage]) {
    for one in damage.iter().take(8) {
        apply(bytes, *one);
    }
}

fn apply(bytes: &mut Vec<u8>, damage: Damage) {
    let length = bytes.len();
    if length == 0 {
        return;
    }
    let place = |at: u16| usize::from(at) % length;
    let span = |at: u16, count: u8| place(at)..length.min(place(at) + usize::from(count));
    match damage {
        Damage::Flip { at, bit } => bytes[place(at)] ^= 1 << (bit % 8),
        Damage::Byte { at, value } => bytes[place(at)] = value,
        Damage::Word { at, edge, big_endian } => {
            let value = EDGES[usize::from(edge) % EDGES.len()];
            let value = if big_endian { value.to_be_bytes() } else { value.to_le_bytes() };
            // Fields are aligned, mostly.
            let at = place(at) & !3;
            for (byte, value) in bytes[at..].iter_mut().zip(value) {
                *byte = value;
            }
        }
        Damage::Copy { from, to, length: count } => {
            let piece = bytes[span(from, count)].to_vec();
            for (byte, value) in bytes[place(to)..].iter_mut().zip(piece) {
                *byte = value;
            }
        }
        Damage::Double { at, length: count } => {
            let piece = bytes[span(at, count)].to_vec();
            bytes.splice(place(at)..place(at), piece);
        }
        Damage::Remove { at, length: count } => drop(bytes.drain(span(at, count))),
        Damage::Cut { at } => bytes.truncate(place(at)),
        Damage::Text { how } => {
            *bytes = match how % 4 {
                0 => String::from_utf8_lossy(bytes).into_owned().into_bytes(),
                1 => bytes.iter().copied().filter(|byte| *byte != b'\r').collect(),
                2 => without_returns(bytes),
                _ => bytes
                    .iter()
                    .flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] })
                    .collect(),
            }
        }
    }
}

/// Line ends of Unix in place of those of Windows.
fn without_returns(bytes: &[u8]) -> Vec<u8> {
    let after = bytes.iter().skip(1).copied().map(Some).chain([None]);
    let kept = bytes.iter().zip(after).filter(|(byte, after)| **byte != b'\r' || *after != Some(b'\n'));
    kept.map(|(byte, _)| *byte).collect()
}
