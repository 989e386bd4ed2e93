//! What browsers load beside pages: own files, and others' with their version, licence and digest (`vendored.csv`).

use std::sync::{Arc, LazyLock};

use axum::{
    Router,
    extract::Path,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::{App, answers::zipped, api::takes_gzip};

/// A file as it is, compressed, and under its address.
struct Asset {
    name: &'static str,
    media: &'static str,
    plain: &'static [u8],
    zipped: LazyLock<Bytes>,
    /// The digest is part of it, so that nobody asks again until it changes.
    address: LazyLock<String>,
}

macro_rules! assets {
    ($($name:literal $media:literal;)*) => {
        static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| vec![$(Asset {
            name: $name,
            media: $media,
            plain: include_bytes!($name),
            zipped: LazyLock::new(|| zipped(include_bytes!($name))),
            address: LazyLock::new(|| format!("/assets/{}?v={}", $name, &digest(include_bytes!($name))[..12])),
        }),*]);
    };
}

assets! {
    "app.css" "text/css; charset=utf-8";
    "app.js" "text/javascript; charset=utf-8";
    "docs.js" "text/javascript; charset=utf-8";
    "icon.svg" "image/svg+xml";
    "LICENCES.txt" "text/plain; charset=utf-8";
    "htmx.min.js" "text/javascript; charset=utf-8";
    "uPlot.iife.min.js" "text/javascript; charset=utf-8";
    "uPlot.min.css" "text/css; charset=utf-8";
    "swagger-ui-bundle.js" "text/javascript; charset=utf-8";
    "swagger-ui.css" "text/css; charset=utf-8";
}

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Where a file is.
pub(super) fn address(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.address.as_str())
}

/// The files that pages load, for those who write pages to disk.
pub(super) fn of_pages() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    ASSETS
        .iter()
        .filter(|asset| !asset.name.starts_with("swagger") && !["docs.js", "LICENCES.txt"].contains(&asset.name))
        .map(|asset| (asset.name, asset.plain))
}

pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/assets/{name}", get(asset))
        .route("/robots.txt", get(|| async { "User-agent: *\nDisallow: /\n" }))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let media = (header::CONTENT_TYPE, HeaderValue::from_static(asset.media));
    let kept = (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    let varies = (header::VARY, HeaderValue::from_static("accept-encoding"));
    if takes_gzip(&headers) && !asset.zipped.is_empty() {
        let coded = (header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        return ([media, kept, varies, coded], asset.zipped.clone()).into_response();
    }
    ([media, kept, varies], Bytes::from_static(asset.plain)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Others' files are as they were published: `npm pack` gives the same.
    #[test]
    fn vendored_files_are_those_that_are_named() {
        let list = include_str!("vendored.csv");
        let mut reader = csv::Reader::from_reader(list.as_bytes());
        let rows: Vec<csv::StringRecord> = reader.records().collect::<Result<_, _>>().expect("a table");
        assert_eq!(rows.len(), 5);
        for row in &rows {
            let [name, package, version, licence, sha256] =
                [0, 1, 2, 3, 4].map(|place| row.get(place).expect("a cell"));
            let asset = ASSETS.iter().find(|asset| asset.name == name).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(digest(asset.plain), sha256, "{package} {version}");
            assert!(["0BSD", "MIT", "Apache-2.0"].contains(&licence), "{licence}");
        }
    }
}
