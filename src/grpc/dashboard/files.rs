//! The files of the dashboard, and how browsers may use and keep them.

use std::io::Read;

use flate2::read::GzDecoder;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{
    ACCEPT_ENCODING, ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use tonic::codegen::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// A file of the dashboard.
struct File {
    /// Path in URLs.
    path: &'static str,
    /// Changes with the content.
    etag: &'static str,
    /// The content, compressed.
    gzip: &'static [u8],
}

/// All files; the build script writes them.
static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/dashboard_files.rs"));

/// Path of the page.
const INDEX: &str = "/index.html";
/// Path of files whose names change with their content.
const HASHED: &str = "/assets/";
/// Policy of the page: it may load its own files and make its own calls, and has no script or style within it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// Headers of every answer.
const HEADERS: [(HeaderName, &str); 6] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (VARY, "accept-encoding"),
];

/// Answers GET and HEAD.
pub(super) fn response(method: &Method, path: &str, headers: &HeaderMap) -> Response<Body> {
    let path = if path == "/" { INDEX } else { path };
    let Some(file) = FILES.iter().find(|file| file.path == path) else {
        return with_headers(
            StatusCode::NOT_FOUND,
            "text/plain; charset=utf-8",
            Bytes::from_static(b"not found\n"),
        );
    };
    let is_known = headers.get_all(IF_NONE_MATCH).iter().any(|tags| {
        tags.to_str()
            .is_ok_and(|tags| tags.split(',').any(|tag| tag.trim().trim_start_matches("W/") == file.etag))
    });
    let is_compressed = accepts_gzip(headers);
    let content = if is_known { Bytes::new() } else { content(file, is_compressed) };
    let status = if is_known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let length = content.len();
    let body = if *method == Method::HEAD { Bytes::new() } else { content };
    let mut response = with_headers(status, content_type(path), body);
    let all = response.headers_mut();
    all.insert(ETAG, HeaderValue::from_static(file.etag));
    // The page names the files of its version, so it is asked for each time.
    let kept = if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" };
    all.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    if !is_known {
        all.insert(CONTENT_LENGTH, length.into());
        if is_compressed {
            all.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
    }
    response
}

fn with_headers(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body_util::Full::new(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD, POST"));
    response
}

/// Returns the content as it is sent.
fn content(file: &File, is_compressed: bool) -> Bytes {
    if is_compressed {
        return Bytes::from_static(file.gzip);
    }
    let mut whole = Vec::new();
    match GzDecoder::new(file.gzip).read_to_end(&mut whole) {
        Ok(_length) => Bytes::from(whole),
        Err(error) => {
            tracing::error!(%error, path = file.path, "dashboard: a file of the program is damaged ({error})");
            Bytes::new()
        }
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, parameters) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && parameters.replace(' ', "") != "q=0"
    })
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_name, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("txt") => "text/plain; charset=utf-8",
        _other => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn the_page_is_asked_for_each_time_and_its_files_are_kept() {
        let page = response(&Method::GET, "/", &HeaderMap::new());
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(page.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(page.headers()[CACHE_CONTROL], "no-cache");
        assert!(!page.headers().contains_key(CONTENT_ENCODING));
        let etag = page.headers()[ETAG].to_str().unwrap().to_owned();
        let again = HeaderMap::from_iter([(IF_NONE_MATCH, etag.parse().unwrap())]);
        assert_eq!(response(&Method::GET, "/", &again).status(), StatusCode::NOT_MODIFIED);
        let script = FILES.iter().find(|file| file.path.ends_with(".js")).unwrap();
        let kept = response(&Method::GET, script.path, &headers(&[(ACCEPT_ENCODING, "br, gzip;q=0.8")]));
        assert!(kept.headers()[CACHE_CONTROL].to_str().unwrap().contains("immutable"));
        assert_eq!(kept.headers()[CONTENT_ENCODING], "gzip");
    }

    #[test]
    fn every_answer_forbids_what_the_page_does_not_need() {
        for path in ["/", "/nothing"] {
            let answer = response(&Method::GET, path, &HeaderMap::new());
            let policy = answer.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
            assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
            assert_eq!(answer.headers()[X_CONTENT_TYPE_OPTIONS], "nosniff");
        }
        assert_eq!(response(&Method::GET, "/nothing", &HeaderMap::new()).status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn the_page_has_no_script_and_no_style_within_it() {
        let index = FILES.iter().find(|file| file.path == INDEX).unwrap();
        let page = String::from_utf8(content(index, false).to_vec()).unwrap();
        assert!(page.contains("<script") && !page.contains("style="), "{page}");
        for script in page.split("<script").skip(1) {
            assert!(script.split('>').next().unwrap().contains("src="), "{script}");
        }
    }

    #[test]
    fn whoever_does_not_take_gzip_gets_it_plain() {
        assert!(accepts_gzip(&headers(&[(ACCEPT_ENCODING, "gzip, deflate, br")])));
        for refused in ["", "identity", "gzip;q=0", "br"] {
            assert!(!accepts_gzip(&headers(&[(ACCEPT_ENCODING, refused)])), "{refused}");
        }
    }
}
