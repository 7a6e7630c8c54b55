//! Names of what a document lists, beside the place in its list.

use alloc::string::String;
use core::fmt;

/// An IOMMU or MSI controller: what the firmware calls it, and which it is. In JSON it is its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Named<I> {
    /// What the firmware calls it: `IORT+0x48`, or its device-tree path.
    pub name: String,
    /// Which it is of the platform's IOMMUs or MSI controllers; the document of a platform lists them in the same order.
    pub index: I,
}

impl<I> Named<I> {
    pub(crate) fn new(name: String, index: I) -> Self {
        Named { name, index }
    }
}

impl<I> fmt::Display for Named<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

#[cfg(feature = "serde")]
impl<I> serde::Serialize for Named<I> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.name)
    }
}

#[cfg(feature = "schema")]
impl<I> schemars::JsonSchema for Named<I> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> alloc::borrow::Cow<'static, str> {
        String::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        String::json_schema(generator)
    }
}
