//! Archives of one file: gzip, zip, bzip2 and zstd, unpacked within bounds. What is written is named by us, whatever an
//! archive says.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use ruzstd::decoding::{
    BlockDecodingStrategy, FrameDecoder,
    errors::{FrameDecoderError, ReadFrameHeaderError},
};

use super::{
    Content, cannot_read,
    place::{cannot_write, new_file, pour},
    text,
};
use crate::error::{Error, Result};

/// What an archive may unpack to: DEFLATE reaches 1032:1 only on bombs, bills stay below 60:1.
const MAX_UNPACK_RATIO: u64 = 300;
/// Below this size an archive may unpack at any ratio.
const MAX_UNPACK_FREELY: u64 = 64 << 20;
/// A gzip file that seems to grow by more is unpacked once to see how far: it is read in place, without a bound.
const SUSPICIOUS_RATIO: u64 = 100;
/// How much of a gzip file is unpacked in any case.
const HEAD_BYTES: u64 = 1 << 20;

/// How far an archive of `packed` bytes may unpack, of which `freely` at any ratio.
fn limit(packed: u64, freely: u64) -> u64 {
    freely.max(packed.saturating_mul(MAX_UNPACK_RATIO))
}

fn damaged(what: &str, cause: impl std::fmt::Display) -> Error {
    Error::input(format!("the {what} is damaged or cut short")).cause(cause).hint("fetch the file again")
}

fn too_large(packed: u64, limit: u64) -> Error {
    Error::input("the archive unpacks to more than any bill does")
        .cause(format!("{packed} bytes grow past {limit}"))
        .hint("if it is a bill all the same, unpack it yourself and ingest the CSV")
}

fn open(path: &Path) -> Result<(File, u64)> {
    let file = File::open(path).map_err(|e| cannot_read(path).caused_by(e))?;
    let bytes = file.metadata().map_err(|e| cannot_read(path).caused_by(e))?.len();
    Ok((file, bytes))
}

/// Whether DuckDB reads the gzip file in place: UTF-8 text, as far as its first part tells.
///
/// # Errors
/// When it is damaged, holds no text, or unpacks to more than a bill does.
pub(super) fn is_plain_gzip(path: &Path) -> Result<bool> {
    is_plain_gzip_within(path, MAX_UNPACK_FREELY)
}

fn is_plain_gzip_within(path: &Path, freely: u64) -> Result<bool> {
    let (mut file, packed) = open(path)?;
    let limit = limit(packed, freely);
    let broken = |e: std::io::Error| damaged("gzip file", e);
    let mut head = Vec::new();
    // With small reads, so that what was read says how far the text has grown.
    let mut decoder = flate2::bufread::MultiGzDecoder::new(BufReader::with_capacity(4096, &file));
    let count = pour(&mut decoder, HEAD_BYTES - 1, &broken, |bytes| {
        head.extend_from_slice(bytes);
        Ok(())
    })?;
    let whole = count < HEAD_BYTES;
    let read = decoder.get_mut().stream_position().unwrap_or(packed);
    if !whole {
        // The last four bytes say how long the text is, modulo 2^32.
        let mut length = [0; 4];
        let _ = file.seek(SeekFrom::End(-4)).and_then(|_| file.read_exact(&mut length));
        let said = u64::from(u32::from_le_bytes(length));
        if count > read.saturating_mul(SUSPICIOUS_RATIO) || said > packed.saturating_mul(SUSPICIOUS_RATIO) {
            let mut decoder = MultiGzDecoder::new(BufReader::new(open(path)?.0));
            if pour(&mut decoder, limit, &broken, |_| Ok(()))? > limit {
                return Err(too_large(packed, limit));
            }
        }
    }
    if head.is_empty() {
        return Err(Error::input("the file is empty").cause("the gzip file holds nothing"));
    }
    if head.get(257..262) == Some(b"ustar") {
        return Err(Error::input("it is an archive of files (tar)").hint("unpack it and ingest the folder"));
    }
    let is_packed = [&b"PAR1"[..], b"PK\x03\x04", &[0x1f, 0x8b]].iter().any(|magic| head.starts_with(magic));
    if is_packed { Ok(false) } else { Ok(text::scan(&head, whole)?.is_plain()) }
}

/// Unpacks the one file of an archive to `unpack_to`.
///
/// # Errors
/// When the archive is damaged, protected, of a kind that is not known here, holds no CSV or several, or unpacks to more
/// than a bill does; and when the disk is full.
pub(super) fn unpack(path: &Path, content: Content, unpack_to: &Path) -> Result<PathBuf> {
    unpack_within(path, content, unpack_to, MAX_UNPACK_FREELY)
}

fn unpack_within(path: &Path, content: Content, unpack_to: &Path, freely: u64) -> Result<PathBuf> {
    let (file, packed) = open(path)?;
    let limit = limit(packed, freely);
    let file = BufReader::new(file);
    match content {
        Content::Zip => {
            let mut archive = zip::ZipArchive::new(file).map_err(|e| damaged("zip archive", e))?;
            let entry = only_csv(&mut archive)?;
            let mut entry = archive.by_index(entry).map_err(|e| match e {
                zip::result::ZipError::UnsupportedArchive(why) => {
                    Error::input("the archive cannot be unpacked here").cause(why).hint("unpack it and ingest the CSV")
                }
                other => damaged("zip archive", other),
            })?;
            bounded(&mut entry, "zip archive", packed, limit, unpack_to)
        }
        Content::Bzip2 => bounded(&mut MultiBzDecoder::new(file), "bzip2 file", packed, limit, unpack_to),
        Content::Zstd => bounded(&mut Frames::new(file), "zstd file", packed, limit, unpack_to),
        _ => bounded(&mut MultiGzDecoder::new(file), "gzip file", packed, limit, unpack_to),
    }
}

fn bounded(from: &mut dyn Read, what: &str, packed: u64, limit: u64, unpack_to: &Path) -> Result<PathBuf> {
    let (mut file, target) = new_file(unpack_to)?;
    // What cannot be read is the archive's fault, what cannot be written the disk's.
    let written = pour(from, limit, &|e| damaged(what, e), |bytes| {
        file.write_all(bytes).map_err(|e| cannot_write(unpack_to, e))
    })?;
    if written <= limit {
        return Ok(target);
    }
    // Space on that disk is needed for the others.
    let _ = std::fs::remove_file(&target);
    Err(too_large(packed, limit))
}

/// The entry of an archive that is a bill. Macs add files of their own.
fn only_csv<R: Read + Seek>(archive: &mut zip::ZipArchive<R>) -> Result<usize> {
    let names: Vec<(usize, String)> = (0..archive.len())
        .map(|index| {
            let name = archive.name_for_index(index).and_then(std::result::Result::ok).unwrap_or_default();
            (index, name.to_lowercase())
        })
        .collect();
    let is_ours =
        |name: &str| !name.starts_with("__macosx") && !name.rsplit(['/', '\\']).next().unwrap_or(name).starts_with('.');
    let csvs: Vec<usize> =
        names.iter().filter(|(_, name)| name.ends_with(".csv") && is_ours(name)).map(|(index, _)| *index).collect();
    if let [only] = csvs.as_slice() {
        return Ok(*only);
    }
    let error = Error::input(format!("the archive holds {} CSV files, not one", csvs.len()));
    let has = |ending: &str| names.iter().any(|(_, name)| name.ends_with(ending));
    Err(if has("xl/workbook.xml") {
        error.cause("it is a workbook of Excel").hint("save the sheet as CSV and ingest that")
    } else if csvs.is_empty() && [".zip", ".gz", ".parquet"].iter().any(|ending| has(ending)) {
        error.cause("it holds other archives or parquet files").hint("unpack it and ingest the folder")
    } else {
        error.hint("unpack it and ingest the folder")
    })
}

/// The frames of a zstd file, one after the other, each with its checksum compared.
/// Format: <https://www.rfc-editor.org/rfc/rfc8878>.
struct Frames<R> {
    file: R,
    /// The frame that is being read.
    frame: Option<FrameDecoder>,
}

impl<R: BufRead> Frames<R> {
    fn new(file: R) -> Self {
        Self { file, frame: None }
    }

    /// Begins the next frame, if there is one.
    fn next(&mut self) -> std::io::Result<Option<FrameDecoder>> {
        while !self.file.fill_buf()?.is_empty() {
            let mut frame = FrameDecoder::new();
            match frame.init(&mut self.file) {
                Ok(()) => return Ok(Some(frame)),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    std::io::copy(&mut (&mut self.file).take(length.into()), &mut std::io::sink())?;
                }
                Err(e) => return Err(std::io::Error::other(e)),
            }
        }
        Ok(None)
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            let frame = match self.frame.take() {
                Some(frame) => Some(frame),
                None => self.next()?,
            };
            let Some(mut frame) = frame else { return Ok(0) };
            while frame.can_collect() == 0 && !frame.is_finished() {
                let one = BlockDecodingStrategy::UptoBlocks(1);
                frame.decode_blocks(&mut self.file, one).map_err(std::io::Error::other)?;
            }
            let count = frame.read(buffer)?;
            if count > 0 {
                self.frame = Some(frame);
                return Ok(count);
            }
            let said = frame.get_checksum_from_data();
            if said.is_some() && said != frame.get_calculated_checksum() {
                return Err(std::io::Error::other("its checksum differs"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BILL: &str = "date,cost\n2026-03-01,1\n";

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).expect("gzip");
        encoder.finish().expect("gzip")
    }

    fn bzip2(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
        encoder.write_all(bytes).expect("bzip2");
        encoder.finish().expect("bzip2")
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn zip(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in entries {
            zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("zip");
            zip.write_all(bytes).expect("zip");
        }
        zip.finish().expect("zip").into_inner()
    }

    /// What an archive unpacks to, or why it does not.
    fn unpacked(content: Content, bytes: &[u8]) -> Result<String, String> {
        unpacked_within(content, bytes, MAX_UNPACK_FREELY)
    }

    fn unpacked_within(content: Content, bytes: &[u8], freely: u64) -> Result<String, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("archive");
        std::fs::write(&path, bytes).expect("written");
        let inside = folder.path().join("inside");
        std::fs::create_dir(&inside).expect("a folder");
        let result = unpack_within(&path, content, &inside, freely).map(|path| {
            assert_eq!(path.parent(), Some(inside.as_path()));
            std::fs::read_to_string(path).expect("text")
        });
        assert_eq!(std::fs::read_dir(folder.path()).expect("read").count(), 2, "nothing lies beside");
        result.map_err(|e| e.summary())
    }

    #[test]
    fn each_kind_is_unpacked_also_in_several_parts() {
        let twice = BILL.repeat(2);
        for (content, packed) in [
            (Content::Gzip, gzip(BILL.as_bytes())),
            (Content::Bzip2, bzip2(BILL.as_bytes())),
            (Content::Zstd, zstd(BILL.as_bytes())),
        ] {
            assert_eq!(unpacked(content, &packed).as_deref(), Ok(BILL), "{content:?}");
            assert_eq!(unpacked(content, &packed.repeat(2)).as_deref(), Ok(twice.as_str()), "{content:?}");
            let cut = unpacked(content, &packed[..packed.len() - 9]).expect_err("cut");
            assert!(cut.contains("is damaged or cut short"), "{cut}");
        }
        let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &zstd(BILL.as_bytes())].concat();
        assert_eq!(unpacked(Content::Zstd, &skipped).as_deref(), Ok(BILL));
    }

    #[test]
    fn what_grows_beyond_bills_is_left() {
        let freely = 3 << 20;
        let zeros = vec![b'0'; freely as usize + 2];
        for (content, packed) in [(Content::Gzip, gzip(&zeros)), (Content::Zstd, zstd(&zeros))] {
            let error = unpacked_within(content, &packed, freely).expect_err("a bomb");
            assert!(error.starts_with("the archive unpacks to more than any bill does"), "{error}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("bomb.csv.gz");
        std::fs::write(&path, gzip(&zeros)).expect("written");
        let error = is_plain_gzip_within(&path, freely).expect_err("a bomb").summary();
        assert!(error.starts_with("the archive unpacks to more than any bill does"), "{error}");
    }

    #[test]
    fn names_in_a_zip_lead_nowhere() {
        for name in ["../../out.csv", "/out.csv", "a/../../out.csv", "..\\out.csv", "C:\\out.csv"] {
            assert_eq!(unpacked(Content::Zip, &zip(&[(name, BILL.as_bytes())])).as_deref(), Ok(BILL), "{name}");
        }
    }

    #[test]
    fn of_a_zip_one_csv_is_read_and_the_rest_refused() {
        let bill = BILL.as_bytes();
        let mac = zip(&[("a.csv", bill), ("__MACOSX/._a.csv", b"x"), ("._a.csv", b"x"), ("readme.txt", b"x")]);
        assert_eq!(unpacked(Content::Zip, &mac).as_deref(), Ok(BILL));
        for (entries, reason) in [
            (&[("a.csv", bill), ("b.csv", bill)][..], "2 CSV files, not one"),
            (&[("a.zip", b"x")], "it holds other archives or parquet files"),
            (&[("a.csv.gz", b"x")], "it holds other archives or parquet files"),
            (&[("xl/workbook.xml", b"x")], "it is a workbook of Excel"),
            (&[], "0 CSV files, not one"),
        ] {
            let error = unpacked(Content::Zip, &zip(entries)).expect_err("refused");
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_encrypted_zip_is_refused() {
        // Bit 0 of the flags, in the entry and in the directory, says that it is.
        let mut packed = zip(&[("a.csv", BILL.as_bytes())]);
        packed[6] |= 1;
        let directory = packed.windows(4).position(|four| four == b"PK\x01\x02").expect("a directory");
        packed[directory + 8] |= 1;
        let error = unpacked(Content::Zip, &packed).expect_err("encrypted");
        assert!(error.contains("the archive cannot be unpacked here: Password required"), "{error}");
    }
}
