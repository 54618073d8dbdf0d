//! Packs the Vault that the suite built as a container image, so that the container path can be used and tested without
//! access to an image registry.

use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, Stream, StreamExt, TryStreamExt};
use testcontainers::bollard::body_try_stream;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;
use tokio::io::AsyncReadExt;

use super::{
    build::{self, BuildError, VAULT_VERSION},
    container::{self, ContainerError, PACKED_IMAGE},
};
use crate::{cache::Cache, error_chain::error_chain, progress::Progress};

const CHUNK: usize = 1024 * 1024;
const TAR_BLOCK: u64 = 512;

/// Why the image cannot be packed.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A container runs Linux programs only.
    #[error(
        "the Vault built here is a program for {}, which no container runs; pull {} instead",
        std::env::consts::OS,
        container::DEFAULT_IMAGE
    )]
    NotLinux,
    /// There is no Vault to pack.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// Docker is not available.
    #[error(transparent)]
    Docker(#[from] ContainerError),
    /// The binary cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Docker rejected the image.
    #[error("docker cannot import {PACKED_IMAGE}: {reason}")]
    Import {
        /// The cause.
        reason: String,
    },
}

/// Makes the image [`PACKED_IMAGE`] from the built Vault, if it does not exist yet. Vault is built first if necessary.
/// Returns the name.
///
/// The image contains `/bin/vault` and `/tmp`, and runs `vault server -dev` like the official one.
///
/// # Errors
/// [`ImageError`]
pub async fn pack(cache: &Cache, progress: &Progress) -> Result<&'static str, ImageError> {
    if !cfg!(target_os = "linux") {
        return Err(ImageError::NotLinux);
    }
    let docker = container::docker().await?;
    let program = build::get(cache, progress).await?;
    let _lock = build::lock(cache, "packing Vault", progress).await?;
    if container::is_local(&docker, PACKED_IMAGE).await? {
        return Ok(PACKED_IMAGE);
    }

    let step = progress.step(format!("packing {PACKED_IMAGE}"));
    let root = file_system(&program)
        .await
        .map_err(|source| ImageError::Read {
            path: program,
            source,
        })?;
    let (repository, _) = PACKED_IMAGE.split_once(':').unwrap_or((PACKED_IMAGE, ""));
    let options = CreateImageOptionsBuilder::new()
        .from_src("-")
        .repo(repository)
        .tag(VAULT_VERSION)
        .changes(vec![
            r#"ENTRYPOINT ["/bin/vault"]"#.to_owned(),
            r#"CMD ["server","-dev"]"#.to_owned(),
            "EXPOSE 8200".to_owned(),
        ])
        .build();
    docker
        .create_image(Some(options), Some(body_try_stream(root)), None)
        .try_for_each(|_| async { Ok(()) })
        .await
        .map_err(|error| ImageError::Import {
            reason: error_chain(&error),
        })?;
    step.done("packed");
    Ok(PACKED_IMAGE)
}

/// The root file system as a tar archive, read while it is sent: the binary has 361 MB.
async fn file_system(
    program: &Path,
) -> io::Result<impl Stream<Item = io::Result<Bytes>> + Send + 'static> {
    let file = tokio::fs::File::open(program).await?;
    let size = file.metadata().await?.len();
    let contents = stream::try_unfold(file, |mut file| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        let read = file.read_buf(&mut chunk).await?;
        Ok((read > 0).then(|| (chunk.freeze(), file)))
    });
    let padding = size.next_multiple_of(TAR_BLOCK) - size;
    // An archive ends with two empty blocks.
    let end = vec![0; usize::try_from(padding + 2 * TAR_BLOCK).unwrap_or(0)];
    let before = [
        tar_header("tmp/", 0o1777, b'5', 0),
        tar_header("bin/", 0o755, b'5', 0),
        tar_header("bin/vault", 0o755, b'0', size),
    ]
    .map(|header| Ok(Bytes::from_owner(header)));
    Ok(stream::iter(before)
        .chain(contents)
        .chain(stream::iter([Ok(Bytes::from(end))])))
}

/// A header of the POSIX `ustar` format; sizes below 8 GiB.
fn tar_header(name: &str, mode: u32, kind: u8, size: u64) -> [u8; TAR_BLOCK as usize] {
    let mut header = [0; TAR_BLOCK as usize];
    let mut put =
        |at: usize, text: &str| header[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{mode:07o}"));
    put(108, "0000000"); // owner and group: root
    put(116, "0000000");
    put(124, &format!("{size:011o}"));
    put(136, "00000000000"); // the same image of the same binary
    put(148, "        "); // what the checksum counts itself as
    put(156, char::from(kind).encode_utf8(&mut [0; 4]));
    put(257, "ustar\x0000");
    let checksum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..155].copy_from_slice(format!("{checksum:06o}\0").as_bytes());
    header
}
