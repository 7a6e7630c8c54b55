//! The published JSON Schemas: made from the types of the documents, so that neither can leave the other behind.

use alloc::string::{String, ToString};

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::json;

use fwspec::answer::DiffDocument;
use fwspec::answer::{
    AuditDocument, CheckDocument, ExplainDocument, GroupsDocument, LintDocument, LogDocument, LookupDocument,
    PlatformDocument, SimulateDocument, WatchRecord, WhyDocument,
};

/// The kinds of documents: the name in `schema`, the verb that prints it.
pub const DOCUMENTS: [(&str, &str); 12] = [
    ("fwspec.platform/1", "show"),
    ("fwspec.lookup/1", "lookup"),
    ("fwspec.groups/1", "groups"),
    ("fwspec.why/1", "groups --why"),
    ("fwspec.simulate/1", "simulate"),
    ("fwspec.lint/1", "lint"),
    ("fwspec.audit/1", "audit"),
    ("fwspec.check/1", "check"),
    ("fwspec.watch/1", "watch"),
    ("fwspec.explain/1", "explain"),
    ("fwspec.log/1", "explain LOG"),
    ("fwspec.diff/1", "diff"),
];

/// The JSON Schema (2020-12) of a kind of document, as people name it: `fwspec.platform/1`, `platform`, or the verb `show`.
///
/// ```
/// use fwspec_report::schema;
/// assert!(schema("lookup").unwrap().contains("https://json-schema.org/draft/2020-12/schema"));
/// assert_eq!(schema("weather"), None);
/// ```
pub fn schema(name: &str) -> Option<String> {
    let short = |full: &str| full.trim_start_matches("fwspec.").trim_end_matches("/1").to_string();
    let named = |(full, verb): &&(&str, &str)| *full == name || short(full) == name || *verb == name;
    let (full, _) = DOCUMENTS.iter().find(named)?;
    let mut schema = match short(full).as_str() {
        "platform" => of::<PlatformDocument>(),
        "lookup" => of::<LookupDocument>(),
        "groups" => of::<GroupsDocument>(),
        "why" => of::<WhyDocument>(),
        "simulate" => of::<SimulateDocument>(),
        "lint" => of::<LintDocument>(),
        "audit" => of::<AuditDocument>(),
        "check" => of::<CheckDocument>(),
        "watch" => of::<WatchRecord>(),
        "explain" => of::<ExplainDocument>(),
        "log" => of::<LogDocument>(),
        _ => of::<DiffDocument>(),
    };
    schema.insert("title".to_string(), json!(full));
    if let Some(kind) = schema.pointer_mut("/properties/schema") {
        *kind = json!({"const": full, "description": "The kind of document and its version."});
    }
    serde_json::to_string_pretty(&schema).ok()
}

/// The schema of what serializing gives: keys that are always there are required.
fn of<T: JsonSchema>() -> Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}
