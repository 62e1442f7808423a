"""Sees that an OCI layout holds one image of one layer, with the filter as /plugin.wasm and nothing else.

python check-image.py DIRECTORY FILTER
"""

import gzip
import hashlib
import io
import json
import pathlib
import sys
import tarfile

directory, filter_file = map(pathlib.Path, sys.argv[1:])


def blob(descriptor):
    """The blob of a descriptor, whose digest and size are right."""
    algorithm, digest = descriptor["digest"].split(":")
    content = (directory / "blobs" / algorithm / digest).read_bytes()
    assert algorithm == "sha256" and hashlib.sha256(content).hexdigest() == digest, descriptor
    assert len(content) == descriptor["size"], descriptor
    return content


(image,) = json.loads((directory / "index.json").read_text())["manifests"]
manifest = json.loads(blob(image))
config = json.loads(blob(manifest["config"]))
(layer,) = manifest["layers"]
assert layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip", layer
unpacked = gzip.decompress(blob(layer))
assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(unpacked).hexdigest()], config
with tarfile.open(fileobj=io.BytesIO(unpacked)) as archive:
    (entry,) = archive.getmembers()
    assert (entry.name, entry.mode, entry.uid, entry.gid, entry.mtime) == ("plugin.wasm", 0o644, 0, 0, 0), entry
    assert archive.extractfile(entry).read() == filter_file.read_bytes()
blobs = {path.name for path in (directory / "blobs" / "sha256").iterdir()}
assert blobs == {d["digest"].split(":")[1] for d in (image, manifest["config"], layer)}, blobs
print(f"{image['digest']}  one layer, /plugin.wasm, as built")
