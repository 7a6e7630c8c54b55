//! Words as a shell takes them.

use alloc::format;
use alloc::string::{String, ToString};

/// A word as a shell takes it: in single quotes where it has blanks, backslashes or other characters that a shell would take.
///
/// ```
/// use fwspec::answer::quoted;
/// assert_eq!(quoted("board.dtb"), "board.dtb");
/// assert_eq!(quoted(r"\_SB_.GPU0"), r"'\_SB_.GPU0'");
/// assert_eq!(quoted("it's"), r"'it'\''s'");
/// ```
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}
