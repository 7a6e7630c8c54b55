//! What is at a byte offset of a device tree, in words: `/soc/pcie@1000 iommu-map, cell 5`.

use crate::limits::MAX_PATH_LEVELS;
use core::fmt;

use super::{Token, Tree};

/// Displays what is at a byte offset, see [`Tree::place`].
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    tree: Tree<'a>,
    offset: u32,
}

impl<'a> Tree<'a> {
    /// What is at a byte offset of the blob, in words: the path of the node around it, the property, the cell.
    ///
    /// To display it, the tree is walked up to the offset.
    pub fn place(&self, offset: u32) -> Place<'a> {
        Place { tree: *self, offset }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path = [&[][..]; MAX_PATH_LEVELS];
        let mut tokens = self.tree.tokens();
        let mut depth = 0;
        let mut property = None;
        // The property without a value that ends here, if there is one: the next token starts at the same offset.
        let mut empty = None;
        while let Some(Ok(token)) = tokens.next() {
            let here = tokens.position() > self.offset;
            if empty.is_some() && !matches!(token, Token::BeginNode { .. }) {
                property = empty;
                break;
            }
            empty = None;
            match token {
                Token::BeginNode { name, .. } => {
                    if let Some(slot) = path.get_mut(slot(depth)) {
                        *slot = name;
                    }
                }
                Token::Property { name, value, offset } if here => {
                    property = Some((name, offset, value.len()))
                }
                Token::Property { name, value: [], offset } if offset == self.offset => {
                    empty = Some((name, offset, 0));
                }
                Token::Property { .. } | Token::EndNode => {}
            }
            depth = tokens.depth();
            if here {
                break;
            }
        }
        let deepest = crate::bytes::index(depth);
        if deepest > MAX_PATH_LEVELS {
            f.write_str("…")?;
        } else if deepest <= 1 {
            f.write_str("/")?;
        }
        for level in deepest.saturating_sub(MAX_PATH_LEVELS).max(1)..deepest {
            let name = path.get(slot(crate::bytes::saturate(level))).copied().unwrap_or_default();
            write!(f, "/{}", name.escape_ascii())?;
        }
        let Some((name, start, length)) = property else { return Ok(()) };
        write!(f, " {}", self.tree.string(name).unwrap_or(b"?").escape_ascii())?;
        match self.offset.checked_sub(start) {
            Some(into) if length >= 4 => write!(f, ", cell {}", into.checked_div(4).unwrap_or(0)),
            _ => Ok(()),
        }
    }
}

/// Where the name of a level is kept: the names of the deepest levels replace those far above.
fn slot(depth: u32) -> usize {
    crate::bytes::index(depth).checked_rem(MAX_PATH_LEVELS).unwrap_or(0)
}
