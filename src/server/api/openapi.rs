//! The API described for programs: OpenAPI 3.1 (<https://spec.openapis.org/oas/v3.1.1>), whose schemas are the operations' own.

use std::sync::{Arc, OnceLock};

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{BASE, ROUTES, Route};
use crate::{
    error::{Error, Result},
    operations::{self, Entry},
    server::{App, problem::Problem},
};

/// The document, which never changes while the program runs.
pub(super) async fn document(State(_): State<Arc<App>>) -> Result<Response, Problem> {
    static TEXT: OnceLock<String> = OnceLock::new();
    if TEXT.get().is_none() {
        let _ = TEXT.set(described()?.to_string());
    }
    let text = TEXT.get().cloned().unwrap_or_default();
    Ok(([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "max-age=300")], text).into_response())
}

/// Schemas of answers, gathered: what they define goes to one place, under names of their operation.
#[derive(Default)]
struct Schemas(Map<String, Value>);

impl Schemas {
    /// A reference to a schema, which is kept under a name.
    fn add(&mut self, name: &str, schema: Value) -> Value {
        let mut schema = schema;
        if let Some(fields) = schema.as_object_mut() {
            fields.remove("$schema");
            if let Some(Value::Object(definitions)) = fields.remove("$defs") {
                for (inner, mut definition) in definitions {
                    renamed(&mut definition, name);
                    self.0.insert(format!("{name}.{inner}"), definition);
                }
            }
        }
        renamed(&mut schema, name);
        self.0.insert(name.to_owned(), schema);
        json!({"$ref": format!("#/components/schemas/{name}")})
    }
}

/// Lets references point to where definitions have gone.
fn renamed(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(fields) => {
            for (key, value) in fields.iter_mut() {
                match value {
                    Value::String(text) if key == "$ref" => {
                        *text = text.replace("#/$defs/", &format!("#/components/schemas/{name}."));
                    }
                    value => renamed(value, name),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| renamed(value, name)),
        _ => {}
    }
}

/// # Errors
/// Never, unless this program is broken.
fn described() -> Result<Value> {
    let mut schemas = Schemas::default();
    let mut paths = Map::new();
    for route in ROUTES {
        let described = of_route(route, &mut schemas)?;
        paths.insert(format!("{BASE}/{}", route.path), json!({ "get": described }));
    }
    schemas.0.insert("Problem".to_owned(), problem());
    for (path, method, operation) in actions(&mut schemas)? {
        let place = paths.entry(path).or_insert_with(|| json!({}));
        place[method] = operation;
    }
    paths.extend(super::records::described());
    paths.extend(super::detector::described());
    Ok(json!({
        "openapi": "3.1.0",
        "info": {
            "title": "aws-cost-anomalies",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "MIT", "identifier": "MIT"},
            "description": "Which cloud cost moved, since when, by how many dollars, and whether it matters. Bodies are those of the command line's `--format json`.",
        },
        "servers": [{"url": "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": schemas.0,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "description": "One of `server.tokens`; on this machine none is needed where none is configured."}},
            "responses": {"Problem": {"description": "What went wrong, with a code and hints", "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}}},
        },
    }))
}

fn problem() -> Value {
    json!({
        "type": "object",
        "required": ["type", "title", "status", "code", "hints"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string", "description": "What went wrong"},
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "The same for programs: the codes of the command line's errors, and those of the server"},
            "detail": {"type": "string", "description": "What lies below it"},
            "hints": {"type": "array", "items": {"type": "string"}, "description": "Next steps"},
        },
    })
}

fn of_route(route: &Route, schemas: &mut Schemas) -> Result<Value> {
    let entry = route.entry()?;
    let mut parameters: Vec<Value> = parameters(route, entry);
    parameters.push(json!({"name": "format", "in": "query", "description": "How to write the answer", "schema": {"enum": ["json", "csv", "markdown"], "default": "json"}}));
    if route.rows.is_some() {
        parameters.push(json!({"name": "limit", "in": "query", "description": "Entries of the list to give at once", "schema": {"type": "integer", "minimum": 1, "maximum": super::MOST_ENTRIES}}));
        parameters.push(json!({"name": "cursor", "in": "query", "description": "Where to go on: `next_cursor` of the answer before", "schema": {"type": "string"}}));
    }
    let schema = schemas.add(entry.name, (entry.output)().to_value());
    let id = route.path.replace(['/', '-'], "_").replace(['{', '}'], "");
    Ok(json!({
        "operationId": id,
        "summary": entry.title,
        "description": entry.description(),
        "tags": ["read"],
        "parameters": parameters,
        "responses": {
            "200": {
                "description": entry.title,
                "headers": {"ETag": {"schema": {"type": "string"}}, "X-Stale": {"description": "There where the database is being written: the answer is of before", "schema": {"type": "string"}}},
                "content": {"application/json": {"schema": schema}, "text/csv": {"schema": {"type": "string"}}, "text/markdown": {"schema": {"type": "string"}}},
            },
            "304": {"description": "The answer is the one that `If-None-Match` names"},
            "default": {"$ref": "#/components/responses/Problem"},
        },
    }))
}

/// The parameters of an operation: each is in the query, but what the address has.
fn parameters(route: &Route, entry: &Entry) -> Vec<Value> {
    let schema = (entry.input)().to_value();
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let definitions = schema.get("$defs").cloned().unwrap_or_default();
    let properties = schema["properties"].as_object().into_iter().flatten();
    let described = |(name, property): (&String, &Value)| {
        let is_named = route.named.iter().any(|(_, parameter)| parameter == name);
        if !route.takes(name) {
            return None;
        }
        let mut schema = inlined(property, &definitions);
        let description = schema.as_object_mut().and_then(|fields| fields.remove("description"));
        Some(json!({
            "name": name,
            "in": if is_named { "path" } else { "query" },
            "required": is_named || required.contains(&name.as_str()),
            "description": description.unwrap_or_default(),
            "schema": as_text(schema),
        }))
    };
    properties.filter_map(described).collect()
}

/// A schema with what it refers to in its place.
fn inlined(schema: &Value, definitions: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            if let Some(found) =
                fields.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/$defs/"))
            {
                let mut whole = inlined(&definitions[found], definitions);
                if let Some(whole) = whole.as_object_mut() {
                    // What is said beside a reference goes before what the definition says.
                    whole.extend(
                        fields
                            .iter()
                            .filter(|(key, _)| *key != "$ref")
                            .map(|(key, value)| (key.clone(), value.clone())),
                    );
                }
                return whole;
            }
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), inlined(value, definitions))).collect())
        }
        Value::Array(values) => values.iter().map(|value| inlined(value, definitions)).collect(),
        other => other.clone(),
    }
}

/// A parameter of a query is a text: what is an object in JSON is written as the command line has it.
fn as_text(schema: Value) -> Value {
    let is_object = |schema: &Value| schema["type"] == "object" || schema.get("properties").is_some();
    let has_object =
        |schema: &Value| is_object(schema) || schema["anyOf"].as_array().is_some_and(|any| any.iter().any(is_object));
    if has_object(&schema) { json!({"type": "string"}) } else { schema }
}

/// What changes something or takes long.
fn actions(schemas: &mut Schemas) -> Result<Vec<(String, &'static str, Value)>> {
    let body = |schema: Value| json!({"content": {"application/json": {"schema": schema}}});
    let mut answer = |name: &str, status: &str| -> Result<Value> {
        let entry = operations::find(name)?;
        let schema = schemas.add(entry.name, (entry.output)().to_value());
        Ok(
            json!({status: {"description": entry.title, "content": {"application/json": {"schema": schema}}}, "default": {"$ref": "#/components/responses/Problem"}}),
        )
    };
    let input = |name: &str, left_out: &[&str]| -> Result<Value> {
        let entry = operations::find(name)?;
        let schema = (entry.input)().to_value();
        let mut schema = inlined(&schema, &schema["$defs"]);
        let fields = schema.as_object_mut().ok_or_else(|| Error::bug("parameters have no schema"))?;
        fields.retain(|key, _| {
            ["type", "properties", "required", "additionalProperties", "description"].contains(&key.as_str())
        });
        for name in left_out {
            fields["properties"].as_object_mut().into_iter().for_each(|properties| _ = properties.remove(*name));
            fields["required"].as_array_mut().into_iter().for_each(|required| required.retain(|one| one != name));
        }
        Ok(schema)
    };
    let id = json!([{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}]);
    let problem = json!({"$ref": "#/components/responses/Problem"});
    let run = json!({"type": "object", "properties": {"id": {"type": "integer"}, "status": {"enum": ["running", "done", "failed"]}, "progress": {"type": "array", "items": {"type": "string"}}}});
    let text = |description: &str, media: &str| json!({"200": {"description": description, "content": {media: {"schema": {"type": "string"}}}}});
    let sql = input("sql", &[])?;
    let asked = json!({"type": "object", "required": ["question"], "additionalProperties": false, "properties": {"question": {"type": "string"}, "as_of": {"type": "string", "format": "date"}}});
    Ok(vec![
        (
            format!("{BASE}/incidents/{{id}}/triage"),
            "post",
            json!({"operationId": "triage", "summary": "Say what is known of an incident", "tags": ["triage"], "parameters": id, "requestBody": body(input("triage", &["ids"])?), "responses": answer("triage", "200")?}),
        ),
        (
            format!("{BASE}/runs"),
            "post",
            json!({"operationId": "start_run", "summary": "Fetch, judge and alert, once", "tags": ["ingest"], "requestBody": body(input("run", &["paths"])?), "responses": {"202": {"description": "It runs; `Location` says where its progress is", "headers": {"Location": {"schema": {"type": "string"}}}, "content": {"application/json": {"schema": run}}}, "409": problem, "default": problem}}),
        ),
        (
            format!("{BASE}/runs"),
            "get",
            json!({"operationId": "runs", "summary": "Runs that were asked for, the last first", "tags": ["read"], "responses": {"200": {"description": "Runs", "content": {"application/json": {"schema": {"type": "object", "properties": {"runs": {"type": "array", "items": run}}}}}}, "default": problem}}),
        ),
        (
            format!("{BASE}/runs/{{id}}"),
            "get",
            json!({"operationId": "run", "summary": "How a run goes", "tags": ["read"], "parameters": id, "responses": {"200": {"description": "The run", "content": {"application/json": {"schema": run}}}, "default": problem}}),
        ),
        (
            format!("{BASE}/sql"),
            "post",
            json!({"operationId": "sql", "summary": "One SELECT statement", "tags": ["query"], "requestBody": body(sql), "responses": answer("sql", "200")?}),
        ),
        (
            format!("{BASE}/query"),
            "post",
            json!({"operationId": "query", "summary": "A question in plain words; with `Accept: text/event-stream` also what is done on the way", "tags": ["query"], "requestBody": body(asked), "responses": answer("query", "200")?}),
        ),
        (
            format!("{BASE}/events"),
            "get",
            json!({"operationId": "events", "summary": "An event for each change of the data", "tags": ["read"], "responses": text("server-sent events", "text/event-stream")}),
        ),
        (
            "/health".to_owned(),
            "get",
            json!({"operationId": "health", "summary": "Whether the server runs", "tags": ["health"], "security": [], "responses": text("It does", "application/json")}),
        ),
        (
            "/ready".to_owned(),
            "get",
            json!({"operationId": "ready", "summary": "Whether it can answer", "tags": ["health"], "security": [], "responses": text("It can", "application/json")}),
        ),
        (
            "/metrics".to_owned(),
            "get",
            json!({"operationId": "metrics", "summary": "How it does, for Prometheus", "tags": ["health"], "responses": text("OpenMetrics", "application/openmetrics-text")}),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = described().expect("described");
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{}", found.len());
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("within the document");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    #[test]
    fn operations_have_names_of_their_own() {
        let document = described().expect("described");
        let paths = document["paths"].as_object().expect("paths");
        let all = paths.values().flat_map(|path| path.as_object().expect("methods").values());
        let mut ids: Vec<&str> = all.map(|one| one["operationId"].as_str().expect("an id")).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert!(count >= 30 && ids.len() == count, "{ids:?}");
    }
}
