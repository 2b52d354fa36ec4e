//! Secrets in texts that are shown: values of variables, flags and parameters with telling names, and passwords in URLs.

/// The text in place of a secret.
pub(crate) const MASKED: &str = "***";
/// Parts of names that mark secrets, in any case.
const SECRET_WORDS: [&str; 11] =
    ["pass", "pwd", "secret", "token", "key", "auth", "credential", "dsn", "webhook", "signature", "cookie"];

/// Returns true if a variable, flag or parameter of this name has a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word))
}

/// Replaces the password of a URL, before its last `@` or in its query, by three stars.
pub(crate) fn mask(url: &str) -> String {
    // A password may contain `?` or `@`, so the last `@` is searched first.
    let Some(at) = url.rfind('@') else { return mask_query(url) };
    let rest = mask_query(&url[at..]);
    match url.find("://").map(|scheme| scheme + 3) {
        Some(begin) if begin <= at => {
            let user = url[begin..at].split_once(':').map_or("", |(user, _password)| user);
            format!("{}{user}:{MASKED}{rest}", &url[..begin])
        }
        Some(_) | None => format!("{MASKED}{rest}"),
    }
}

fn mask_query(url: &str) -> String {
    let Some((before, query)) = url.split_once('?') else { return url.to_owned() };
    let parts = query.split('&').map(|part| match part.split_once('=') {
        Some((name, _secret)) if is_secret_name(name) => format!("{name}={MASKED}"),
        Some(_) | None => part.to_owned(),
    });
    format!("{before}?{}", parts.collect::<Vec<_>>().join("&"))
}

/// Masks the secrets in the words of a command line: values of flags and variables with such names, and passwords in
/// URLs.
pub(crate) fn mask_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut value_of_secret = false;
    let mask_word = |word: &str| {
        let is_value = std::mem::replace(&mut value_of_secret, false) && !word.starts_with('-');
        let assigned = word.split_once('=').filter(|(name, _value)| is_secret_name(name));
        if let Some((name, _value)) = assigned {
            format!("{name}={MASKED}")
        } else if is_value {
            MASKED.to_owned()
        } else if word.contains("://") {
            mask(word)
        } else {
            value_of_secret = word.starts_with('-') && is_secret_name(word);
            word.to_owned()
        }
    };
    words.into_iter().map(mask_word).collect()
}
