//! Keys with a point as tables in tables.

use figment::value::{Dict, Value};

/// Makes tables of keys with a dot: `auth.mode` is `mode` in the table `auth`.
pub(super) fn nested(values: impl IntoIterator<Item = (String, Value)>) -> Dict {
    let mut all = Dict::new();
    for (key, value) in values {
        match key.split_once('.') {
            None => drop(all.insert(key, value)),
            Some((table, key)) => {
                let inner = all.entry(table.to_owned()).or_insert_with(|| Value::from(Dict::new()));
                if let Value::Dict(_, inner) = inner {
                    inner.insert(key.to_owned(), value);
                }
            }
        }
    }
    all
}
