//! Slots of keys, and keys of commands.

use redis::{Arg, Cmd};

/// Number of slots of a Cluster.
pub(super) const SLOTS: u16 = 16384;

/// Returns the slot of a key: that of the part in its first braces, if there is one.
pub(in super::super) fn slot_of(key: &[u8]) -> u16 {
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        let end = rest.iter().position(|byte| *byte == b'}')?;
        (end > 0).then(|| &rest[..end])
    });
    crc16(tag.unwrap_or(key)) % SLOTS
}

/// CRC-16 with the polynomial 0x1021 and nothing before it (XMODEM), as the specification of Redis Cluster says.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        let mut crc = crc ^ (u16::from(*byte) << 8);
        for _bit in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
        crc
    })
}

/// Returns the first key of a command of this adapter; None for one that any server can answer.
pub(in super::super) fn key_of(command: &Cmd) -> Option<&[u8]> {
    let mut words = command.args_iter().map(|arg| match arg {
        Arg::Simple(bytes) => bytes,
        _other => b"".as_slice(),
    });
    match words.next()? {
        b"PING" | b"WAIT" | b"TIME" | b"FUNCTION" | b"CLUSTER" | b"INFO" | b"CONFIG" => None,
        b"FCALL" => match words.nth(1)? {
            b"0" => None,
            _keys => words.next(),
        },
        b"XREAD" | b"XREADGROUP" => words.skip_while(|word| *word != b"STREAMS").nth(1),
        b"XINFO" | b"XGROUP" => words.nth(1),
        _first_word_is_the_key => words.next(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::redis::functions::Function;
    use crate::adapters::redis::keys;
    use crate::domain::model::script_type::ScriptType;

    #[test]
    fn slots_are_those_of_redis() {
        // As CLUSTER KEYSLOT answers.
        for (key, slot) in [
            ("hero:{osis}:q", 13090),
            ("hero:job:{sal}:j1", 5225),
            ("hero:{v}:front", 7761),
            ("hero:{python}:jobs", 7252),
            ("hero:{events}:log", 9102),
            (keys::NODES, 2509),
            (keys::FLEET_LEAD, 2509),
            ("123456789", 12739),
        ] {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        // An empty tag is none, and the first one counts.
        assert_eq!(slot_of(b"{}{osis}"), crc16(b"{}{osis}") % SLOTS);
        assert_eq!(slot_of(b"a{osis}{sal}"), slot_of(b"osis"));
        assert_eq!(slot_of(b"a{osis"), crc16(b"a{osis") % SLOTS);
    }

    #[test]
    fn each_command_has_its_key() {
        let key = |command: &Cmd| key_of(command).map(|key| String::from_utf8_lossy(key).into_owned());
        assert_eq!(key(&Function::Tick.on_queue(ScriptType::OSIS.into())).as_deref(), Some("hero:{osis}:q"));
        assert_eq!(key(&Function::Revision.without_key()), None);
        let mut read = redis::cmd("XREADGROUP");
        read.arg("GROUP").arg("g").arg("c").arg("COUNT").arg(1).arg("STREAMS").arg("s1").arg("s2").arg(">");
        assert_eq!(key(&read).as_deref(), Some("s1"));
        assert_eq!(key(redis::cmd("HGETALL").arg(keys::ACTORS)).as_deref(), Some(keys::ACTORS));
        assert_eq!(key(&redis::cmd("TIME")), None);
    }
}
