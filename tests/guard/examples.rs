//! Every public method of the types that people ask has an example, which `cargo test` compiles.

use std::path::Path;

use crate::layering::rust_files;

/// The types, and the room of each.
const ASKED: [(&str, &str); 3] = [("IdMap", "src"), ("Groups", "src"), ("Machine", "src/machine")];

/// The public methods of a type in some code, each with whether its documentation has an example.
fn methods(code: &str, name: &str) -> Vec<(String, bool)> {
    let mut methods = Vec::new();
    let (mut inside, mut example) = (false, false);
    for line in code.lines() {
        if line.starts_with("impl") {
            inside = line == format!("impl {name} {{");
        }
        let text = line.trim();
        match text {
            _ if text.starts_with("/// ```") => example = true,
            _ if text.starts_with("///") || text.starts_with("#[") => {}
            _ => {
                let head =
                    line.strip_prefix("    pub fn ").or_else(|| line.strip_prefix("    pub const fn "));
                if let Some(head) = head.filter(|_| inside) {
                    let end = head.find(['(', '<']).unwrap();
                    methods.push((head[..end].to_owned(), example));
                }
                example = false;
            }
        }
    }
    methods
}

#[test]
fn every_method_of_what_people_ask_has_an_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, room) in ASKED {
        let all: Vec<(String, bool)> = rust_files(&root.join(room))
            .iter()
            .flat_map(|file| methods(&std::fs::read_to_string(file).unwrap(), name))
            .collect();
        assert!(all.len() > 5, "the methods of {name} are not found any more");
        let bare: Vec<&str> =
            all.iter().filter(|(_, example)| !example).map(|(method, _)| method.as_str()).collect();
        assert!(bare.is_empty(), "methods of {name} without an example: {bare:?}");
    }
}

#[test]
fn a_method_without_an_example_is_seen() {
    let code = "impl Groups {\n    /// Adds.\n    ///\n    /// ```\n    /// add();\n    /// ```\n    pub fn add(&self) {}\n\n    /// Removes.\n    pub fn remove(&self) {}\n    pub(crate) fn hidden(&self) {}\n}\n\nimpl Other {\n    pub fn other() {}\n}\n";
    assert_eq!(methods(code, "Groups"), [("add".to_owned(), true), ("remove".to_owned(), false)]);
}
