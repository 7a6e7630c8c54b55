//! Names of the firmware, as a terminal or a drawing can show them.

use alloc::string::String;

/// The last component of a device-tree path (`iommu@5040000`); any other name as it is.
pub(crate) fn short(name: &str) -> &str {
    match name.rsplit_once('/') {
        Some((above, last)) if !last.is_empty() && (above.is_empty() || above.starts_with('/')) => last,
        _ => name,
    }
}

/// Text of the firmware with `?` for each control character, which a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{printable, short};

    #[test]
    fn only_paths_of_a_device_tree_are_cut() {
        let cut = ["/", "/smmu@0", "/soc/iommu@5040000", "IORT+0x48", "\\_SB_.DEV0"].map(short);
        assert_eq!(cut, ["/", "smmu@0", "iommu@5040000", "IORT+0x48", "\\_SB_.DEV0"]);
    }

    #[test]
    fn control_characters_are_question_marks() {
        assert_eq!(printable("a\x1b[31mb\u{9b}c\x07"), "a?[31mb?c?");
    }
}
