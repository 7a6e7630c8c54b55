//! FIT images of U-Boot (doc/usage/fit/source_file_format.rst): a tree of images, and configurations that combine them.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::{ContainerError, Contents, count, listed, part};
use crate::bytes::saturate;
use crate::dt::{Node, Property, Tree};
use crate::machine::Kind;

/// Whether the bytes are a tree with images that have data.
pub(super) fn shows(bytes: &[u8]) -> Option<Kind> {
    let images = images(&Tree::parse(bytes).ok()?)?;
    let has_data = |node: Node<'_>| ["data", "data-size"].iter().any(|name| node.property(name).is_some());
    images.children().map_while(Result::ok).any(has_data).then_some(Kind::Fit)
}

/// The length of a FIT with the data after its tree, as far as the bytes reach; `None` where they are not a FIT.
pub(super) fn extent(bytes: &[u8]) -> Option<usize> {
    shows(bytes)?;
    let tree = Tree::parse(bytes).ok()?;
    let all = images(&tree)?.children().map_while(Result::ok);
    let ends = all.filter_map(|image| {
        let (at, size) = place(&tree, image)?;
        usize::try_from(at.checked_add(size)?).ok()
    });
    Some(ends.max().unwrap_or_default().max(tree.bytes().len()).min(bytes.len()))
}

/// The offset and size of an image's data that is outside of the tree: relative to the first multiple of four after the tree, or
/// absolute in the file.
fn place(tree: &Tree<'_>, image: Node<'_>) -> Option<(u64, u64)> {
    let cell = |property: &str| image.cell(property).map(u64::from);
    let behind = u64::from(saturate(tree.bytes().len())).next_multiple_of(4);
    let at =
        cell("data-position").or_else(|| cell("data-offset").map(|offset| offset.saturating_add(behind)));
    Some((at?, cell("data-size")?))
}

fn images<'a>(tree: &Tree<'a>) -> Option<Node<'a>> {
    // A kernel's own tree has no such node, and a search for the name costs less than a walk. The name is searched as a whole.
    memchr::memmem::find(tree.bytes(), b"\0\0\0\x01images\0")?;
    let root = tree.nodes().next()?.ok()?;
    root.children().map_while(Result::ok).find(|child| child.name() == b"images")
}

/// The device tree and the overlays of one configuration; what other configurations have is listed.
pub(super) fn open(bytes: &[u8], contents: &mut Contents<'_>) -> Result<(), ContainerError> {
    let unreadable = |error: crate::Error| ContainerError::Damaged(error.to_string());
    let tree = Tree::parse(bytes).map_err(unreadable)?;
    let all = images(&tree).ok_or_else(|| ContainerError::Damaged("it has no /images".to_owned()))?;
    let images = all.children().collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    let configurations: Vec<Node<'_>> = match tree.find("/configurations") {
        Some(node) => node.children().collect::<Result<_, _>>().map_err(unreadable)?,
        None => Vec::new(),
    };
    let is_tree = |image: &Node<'_>| text(image.property("type")) == "flat_dt";
    let mut used: Vec<String> = Vec::new();
    // A piece of the image that the user named is used, whatever the configurations say.
    let named = contents.choice.piece.as_deref().and_then(|piece| piece.strip_prefix(contents.name));
    if let Some(piece) = named.and_then(|rest| rest.strip_prefix('!')) {
        let name = piece.split(['!', '/']).next().unwrap_or_default();
        let image = image(&images, name).ok_or_else(|| ContainerError::NoPiece(name.to_owned()))?;
        contents.piece(name, data(bytes, &tree, image)?)?;
        used.push(name.to_owned());
    } else if let Some(configuration) = chosen(&tree, &configurations, contents)? {
        let name = lossy(configuration.name());
        let mut trees: Vec<String> = strings(configuration.property("fdt"));
        if trees.is_empty() {
            // The tree may be appended to the kernel.
            trees = strings(configuration.property("kernel"));
            contents.note(format!("configuration {name} names no device tree"));
        }
        for tree_name in &trees {
            let image = image(&images, tree_name).ok_or_else(|| {
                ContainerError::Damaged(format!(
                    "configuration {name} names {tree_name}, which is not in /images"
                ))
            })?;
            contents.piece(tree_name, data(bytes, &tree, image)?)?;
        }
        used = trees;
    } else {
        for image in images.iter().filter(|image| is_tree(image)) {
            let name = lossy(image.name());
            contents.piece(&name, data(bytes, &tree, *image)?)?;
            used.push(name);
        }
    }
    let mut others = 0_usize;
    for image in &images {
        let name = lossy(image.name());
        if used.contains(&name) {
            continue;
        }
        if is_tree(image) {
            contents.unused(&name, Kind::DeviceTree, None);
        } else {
            others = others.saturating_add(1);
        }
    }
    if others > 0 {
        contents.note(format!("{} other than device trees not read", count(others, "image")));
    }
    Ok(())
}

/// The configuration that is used: the one that the user named, otherwise the default, otherwise the only one.
fn chosen<'a>(
    tree: &Tree<'a>,
    configurations: &[Node<'a>],
    contents: &mut Contents<'_>,
) -> Result<Option<Node<'a>>, ContainerError> {
    let names: Vec<String> = configurations.iter().map(|node| lossy(node.name())).collect();
    let called = |wanted: &str| configurations.iter().find(|node| node.name() == wanted.as_bytes()).copied();
    let unknown =
        |wanted: &str| ContainerError::NoConfiguration { wanted: wanted.to_owned(), known: listed(&names) };
    if let Some(wanted) = contents.choice.configuration.as_deref() {
        let found = called(wanted).ok_or_else(|| unknown(wanted))?;
        contents.note(format!("configuration {wanted} of {}", names.len()));
        return Ok(Some(found));
    }
    let default = text(tree.find("/configurations").and_then(|node| node.property("default")));
    let found = match (default.as_str(), configurations) {
        ("", []) => return Ok(None),
        ("", [only]) => *only,
        ("", _) => return Err(ContainerError::SeveralConfigurations { known: listed(&names) }),
        (name, _) => called(name).ok_or_else(|| unknown(name))?,
    };
    let name = lossy(found.name());
    let others: Vec<String> = names.into_iter().filter(|other| *other != name).collect();
    if !others.is_empty() {
        contents.note(format!(
            "configuration {name} (the default); --config NAME chooses another: {}",
            listed(&others)
        ));
    }
    Ok(Some(found))
}

fn image<'a>(images: &[Node<'a>], name: &str) -> Option<Node<'a>> {
    images.iter().find(|image| image.name() == name.as_bytes()).copied()
}

/// The bytes of an image: in the tree, at an offset of the file, or at an offset after the tree.
fn data<'a>(bytes: &'a [u8], tree: &Tree<'a>, image: Node<'a>) -> Result<&'a [u8], ContainerError> {
    let name = lossy(image.name());
    if let Some(data) = image.property("data") {
        return Ok(data.value());
    }
    match place(tree, image) {
        Some((at, size)) => part(bytes, at, size, &format!("image {name}")),
        None if image.cell("data-size").is_none() => {
            Err(ContainerError::Damaged(format!("image {name} has no data")))
        }
        None => Err(ContainerError::Damaged(format!("image {name} does not say where its data is"))),
    }
}

fn strings(property: Option<Property<'_>>) -> Vec<String> {
    property.into_iter().flat_map(|property| property.strings()).map(lossy).collect()
}

fn text(property: Option<Property<'_>>) -> String {
    strings(property).into_iter().next().unwrap_or_default()
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
