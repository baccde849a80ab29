//! The codecs against botocore's serializers and parsers, on random requests and answers of every
//! implemented operation.
//!
//! Runs when `SAGEGATE_PYTHON` names a Python that has botocore, and fails when that Python does
//! not work. `SAGEGATE_CODEC_ROUNDS` sets how many requests and answers of each operation (5).
//!
//! The Python side asks, a JSON object a line, and this side answers each with one:
//!
//! - `{"service", "target"?, "method"?, "path"?, "body"}`: decodes the request (the body in base64);
//!   answers `{"operation", "members"}` or `{"status", "body"}` of the error.
//! - `{"service", "operation", "seed"}`: answers `{"headers", "body", "members"}` of a random
//!   answer.
//! - `{"service", "operations": true}`: the names of the implemented operations.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sagegate_model::{Location, Member, ServiceSchema, Slot};
use sagegate_wire::route::Head;
use serde_json::{Value, json};

#[path = "support/random.rs"]
mod random;

use random::{Random, dump, fill};

#[test]
fn botocore_and_the_codecs_understand_each_other() {
    let Some(python) = std::env::var_os("SAGEGATE_PYTHON") else {
        println!("not run: SAGEGATE_PYTHON is not set");
        return;
    };
    let rounds = std::env::var("SAGEGATE_CODEC_ROUNDS").unwrap_or_else(|_| "5".to_owned());
    let mut child = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/codecs_botocore.py"))
        .arg(rounds)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("SAGEGATE_PYTHON starts");
    let mut answers = child.stdin.take().unwrap();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let asked = serde_json::from_str(&line.unwrap()).unwrap();
        writeln!(answers, "{}", answer(&asked).unwrap()).unwrap();
    }
    let status = child.wait().unwrap();
    assert!(status.success(), "differences are on standard error");
}

fn answer(ask: &Value) -> Result<Value> {
    let text = |name: &str| ask.get(name).and_then(Value::as_str);
    let service = sagegate_model::service(text("service").context("no service")?)
        .context("no such service")?;
    if ask.get("operations").is_some() {
        let all = service.operations.iter().filter(|it| it.implemented).map(|it| it.name);
        return Ok(json!(all.collect::<Vec<_>>()));
    }
    if let Some(operation) = text("operation") {
        let seed = ask.get("seed").and_then(Value::as_u64).context("no seed")?;
        return encode(service, operation, seed);
    }
    let body = BASE64.decode(text("body").unwrap_or_default())?;
    let (path, query) = match text("path").unwrap_or("/").split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (text("path").unwrap_or("/"), None),
    };
    let head = Head {
        scope: Some(service.signing_name),
        target: text("target"),
        method: text("method").unwrap_or("POST").parse()?,
        path,
        query,
        ..Head::default()
    };
    let decoded = head.call(service, &body).and_then(|call| {
        let mut request = sagegate_api::input(service, call.operation.name)
            .unwrap_or_else(|| Box::new(sagegate_model::Unit));
        call.decode(&mut *request)?;
        Ok(json!({"operation": call.operation.name, "members": dump(&*request)}))
    });
    decoded.or_else(|error| {
        let response = error.encode(service.protocol, Some(service), "id-1");
        let status = response.status().as_u16();
        Ok(json!({"status": status, "body": BASE64.encode(response.body())}))
    })
}

fn encode(service: &'static ServiceSchema, operation: &str, seed: u64) -> Result<Value> {
    let schema = service.operation(operation).context("no such operation")?;
    let mut answer = sagegate_api::output(service, operation).context("not implemented")?;
    fill(&mut Random::new(seed), &mut *answer, true, 0);
    for (index, member) in answer.schema().members.iter().enumerate() {
        // A header field carries visible ASCII.
        if member.location == Location::Header
            && let Some(Slot::Text(text)) = answer.member_mut(index).map(Member::slot)
        {
            text.retain(|letter| letter.is_ascii_graphic());
        }
    }
    let protocol = service.protocol;
    let response = sagegate_wire::encode(protocol, service, schema, &*answer, "id-1");
    let headers: serde_json::Map<String, Value> = response
        .headers()
        .iter()
        .map(|(name, value)| (name.to_string(), json!(String::from_utf8_lossy(value.as_bytes()))))
        .collect();
    Ok(json!({
        "headers": headers,
        "body": BASE64.encode(response.body()),
        "members": dump(&*answer),
    }))
}
