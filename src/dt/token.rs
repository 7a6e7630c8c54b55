//! The walk over the structure block: one pass, no recursion, no step out of the block.

use super::Tree;
use crate::bytes::{index, saturate};
use crate::{Error, ErrorKind, error::Source};

pub(super) const BEGIN_NODE: u32 = 1;
pub(super) const END_NODE: u32 = 2;
pub(super) const PROP: u32 = 3;
const NOP: u32 = 4;
pub(super) const END: u32 = 9;

/// A token of the structure block (Devicetree Specification v0.4 §5.4.1). NOPs are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A node begins.
    BeginNode {
        /// Its name with unit address, without the terminating NUL; empty for the root.
        name: &'a [u8],
        /// Byte offset of the token in the blob.
        offset: u32,
    },
    /// A property of the innermost node that has begun and not ended.
    Property {
        /// Its name, as an offset into the strings block: see [`Tree::string`].
        name: u32,
        /// Its value.
        value: &'a [u8],
        /// Byte offset of the value in the blob.
        offset: u32,
    },
    /// The innermost node that has begun ends.
    EndNode,
}

/// Iterator over the tokens of a tree, see [`Tree::tokens`].
#[derive(Clone, Debug)]
pub struct Tokens<'a> {
    rest: &'a [[u8; 4]],
    /// Byte offset of the end of the structure block; the position is counted back from it.
    end: u32,
    /// Nodes begun and not ended.
    depth: u32,
    /// The root has begun.
    rooted: bool,
    /// The end token or an error was read.
    done: bool,
}

impl<'a> Tree<'a> {
    /// All tokens, in the order of the blob. It ends after the end token, and after the first error, which loses the framing.
    ///
    /// ```no_run
    /// use fwspec::dt::{Token, Tree};
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let blob = std::fs::read("board.dtb")?;
    /// let mut nodes = 0;
    /// for token in Tree::parse(&blob)?.tokens() {
    ///     nodes += usize::from(matches!(token?, Token::BeginNode { .. }));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn tokens(&self) -> Tokens<'a> {
        let size = saturate(self.structure.len()).saturating_mul(4);
        Tokens {
            rest: self.structure,
            end: self.structure_offset.saturating_add(size),
            depth: 0,
            rooted: false,
            done: false,
        }
    }
}

impl<'a> Tokens<'a> {
    /// Number of nodes that have begun and not ended.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// Byte offset of the next token in the blob.
    pub fn position(&self) -> u32 {
        self.offset(self.rest)
    }

    /// The walk from a byte offset of the structure block on, as if the root were there.
    pub(super) fn from(tree: &Tree<'a>, offset: u32) -> Option<Self> {
        let word = offset.checked_sub(tree.structure_offset)?.checked_div(4)?;
        Some(Tokens { rest: tree.structure.get(index(word)..)?, ..tree.tokens() })
    }

    /// The walk over the content of a node, resumed after its begin token.
    pub(super) fn resume(rest: &'a [[u8; 4]], end: u32) -> Self {
        Tokens { rest, end, depth: 1, rooted: true, done: false }
    }

    /// The words that are left to walk, and the byte offset of their end.
    pub(super) fn remaining(&self) -> (&'a [[u8; 4]], u32) {
        (self.rest, self.end)
    }

    #[inline]
    fn offset(&self, rest: &[[u8; 4]]) -> u32 {
        // Sizes in a blob are counted in 32 bits, so nothing saturates here.
        self.end.wrapping_sub(saturate(rest.len()).wrapping_mul(4))
    }

    #[cold]
    fn fail(&mut self, kind: ErrorKind) -> Option<Result<Token<'a>, Error>> {
        let at = Source::DTB.at(self.offset(self.rest));
        self.finish();
        Some(Err(Error { kind, at }))
    }

    /// Ends the iteration.
    pub(super) fn finish(&mut self) {
        self.rest = &[];
        self.done = true;
    }

    /// No words are left and no end token came; after [`finish`](Self::finish) that is the end of the iteration.
    #[cold]
    fn exhausted(&mut self) -> Option<Result<Token<'a>, Error>> {
        if self.done { None } else { self.fail(ErrorKind::TreeEnd { open: self.depth }) }
    }

    #[inline]
    fn begin(&mut self, inner: &'a [[u8; 4]]) -> Option<Result<Token<'a>, Error>> {
        if self.depth == 0 && self.rooted {
            return self.fail(ErrorKind::SecondRoot);
        }
        let Some(last) = inner.iter().position(|word| has_zero(*word)) else {
            return self.fail(ErrorKind::NodeName);
        };
        let (name, rest) = inner.split_at_checked(last.wrapping_add(1))?;
        // Only the last word has a NUL, which ends the name. What follows it is padding, whatever it holds.
        let nul = name.last()?.iter().position(|byte| *byte == 0)?;
        let name = name.as_flattened().get(..last.wrapping_mul(4).wrapping_add(nul))?;
        let offset = self.offset(self.rest);
        self.rest = rest;
        self.depth = self.depth.wrapping_add(1);
        self.rooted = true;
        Some(Ok(Token::BeginNode { name, offset }))
    }
}

/// Whether one of the four bytes is 0 (Mycroft's test).
#[inline]
fn has_zero(word: [u8; 4]) -> bool {
    let word = u32::from_ne_bytes(word);
    word.wrapping_sub(0x0101_0101) & !word & 0x8080_8080 != 0
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Result<Token<'a>, Error>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.advance()
    }
}

impl<'a> Tokens<'a> {
    /// The next token, inlined into the caller, so that a pass over a whole tree keeps its token in registers.
    #[inline(always)]
    pub(super) fn advance(&mut self) -> Option<Result<Token<'a>, Error>> {
        loop {
            let [token, inner @ ..] = self.rest else { return self.exhausted() };
            match u32::from_be_bytes(*token) {
                PROP => {
                    let [length, name, inner @ ..] = inner else { return self.exhausted() };
                    let length = u32::from_be_bytes(*length);
                    let Some((value, rest)) = inner.split_at_checked(index(length.div_ceil(4))) else {
                        let have = saturate(inner.len()).saturating_mul(4);
                        return self.fail(ErrorKind::Truncated { need: length, have });
                    };
                    if self.depth == 0 {
                        return self.fail(ErrorKind::PropertyOutside);
                    }
                    let offset = self.offset(inner);
                    self.rest = rest;
                    let value = value.as_flattened().get(..index(length)).unwrap_or_default();
                    return Some(Ok(Token::Property { name: u32::from_be_bytes(*name), value, offset }));
                }
                BEGIN_NODE => return self.begin(inner),
                END_NODE => {
                    let Some(depth) = self.depth.checked_sub(1) else {
                        return self.fail(ErrorKind::EndOutside);
                    };
                    self.depth = depth;
                    self.rest = inner;
                    return Some(Ok(Token::EndNode));
                }
                NOP => self.rest = inner,
                END if self.depth == 0 && self.rooted => {
                    self.finish();
                    return None;
                }
                END => return self.fail(ErrorKind::TreeEnd { open: self.depth }),
                other => return self.fail(ErrorKind::Token(other)),
            }
        }
    }
}

impl core::iter::FusedIterator for Tokens<'_> {}
