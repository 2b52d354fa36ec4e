//! Messages of `clients/conformance/golden`, as bytes and as JSON: every client reads both and writes both.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use hero_supervisor::proto::FILE_DESCRIPTOR_SET;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor};
use serde::Deserialize;
use serde_json::{Value, json};

use super::stage::Stage;

/// One for all: messages of different pools are never equal.
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap());

/// `NAME.json`; the bytes are in `NAME.binpb` beside it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Golden {
    /// Full name of the message.
    r#type: String,
    /// The message.
    json: Value,
    /// Fields that only a newer server knows, as hexadecimal digits; they follow the others in the bytes.
    #[serde(default)]
    unknown: String,
}

impl Golden {
    fn descriptor(&self) -> MessageDescriptor {
        POOL.get_message_by_name(&self.r#type).unwrap()
    }

    /// Whether the file holds this message, and behind it what only a newer server knows. Maps have no order, so bytes
    /// cannot be compared.
    fn is(&self, file: &Path, message: &DynamicMessage) -> bool {
        let Ok(bytes) = std::fs::read(file) else { return false };
        let Some(known) = bytes.strip_suffix(unhex(&self.unknown).as_slice()) else { return false };
        self.decode(&Value::String(hex(known))).is_ok_and(|found| found == *message)
    }

    fn parse(&self, json: &Value) -> Result<DynamicMessage, String> {
        DynamicMessage::deserialize(self.descriptor(), json).map_err(|why| format!("{why}: {json}"))
    }

    fn decode(&self, hex: &Value) -> Result<DynamicMessage, String> {
        let bytes = unhex(hex.as_str().unwrap_or_default());
        DynamicMessage::decode(self.descriptor(), bytes.as_slice()).map_err(|why| format!("{why}: {hex}"))
    }
}

fn all() -> Vec<(PathBuf, Golden)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/conformance/golden");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|end| end == "json")).collect();
    files.sort();
    let read = |path: PathBuf| {
        let golden = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        (path, golden)
    };
    files.into_iter().map(read).collect()
}

#[test]
fn golden_bytes_are_what_their_json_says() {
    for (path, golden) in all() {
        let message = golden.parse(&golden.json).unwrap();
        let file = path.with_extension("binpb");
        if std::env::var_os("HERO_GENERATE").is_some() && !golden.is(&file, &message) {
            std::fs::write(&file, [message.encode_to_vec(), unhex(&golden.unknown)].concat()).unwrap();
        }
        assert!(golden.is(&file, &message), "{} is out of date: run `make gen`", file.display());
    }
}

/// What a client makes of them that it should not.
pub(super) async fn differences(stage: &mut Stage) -> Vec<String> {
    let mut differences = Vec::new();
    for (path, golden) in all() {
        if let Err(why) = round_trip(stage, &path, &golden).await {
            differences.push(format!("{}: {why}", path.display()));
        }
    }
    differences
}

async fn round_trip(stage: &mut Stage, path: &Path, golden: &Golden) -> Result<(), String> {
    let bytes = hex(&std::fs::read(path.with_extension("binpb")).unwrap());
    let command = json!({"do": "golden", "type": golden.r#type, "binary": bytes, "json": golden.json});
    let answer = stage.ask(&command).await?;
    let ok = answer.get("ok").ok_or_else(|| format!("{answer}"))?;
    let expected = golden.parse(&golden.json)?;
    let same = |what: &str, found: DynamicMessage| {
        if found == expected { Ok(()) } else { Err(format!("{what}: expected {expected}, found {found}")) }
    };
    same("JSON from bytes", golden.parse(&ok["json"])?)?;
    same("bytes from JSON", golden.decode(&ok["binary"])?)?;
    if !stage.keeps_unknown_fields() {
        return same("bytes from bytes", golden.decode(&ok["again"])?);
    }
    let kept = golden.decode(&ok["again"])? == golden.decode(&Value::String(bytes))?;
    if kept { Ok(()) } else { Err(format!("bytes from bytes: found {}", ok["again"])) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|digit| u8::try_from(digit.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect()
}
