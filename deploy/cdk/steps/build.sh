#!/bin/sh
# Build and push every image for this machine's architecture, by digest, with SBOM and provenance.
# Needs REGISTRY, and writes build/images/<image>.<architecture>.
set -eu

architecture=$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')
host=${REGISTRY%%/*}
mkdir -p build/images
aws ecr get-login-password | docker login --username AWS --password-stdin "$host"
docker buildx create --use --driver docker-container # the driver that can attest

for image in poller dedup aggregator fs_writer api tools; do
  case $image in
    tools) target=tools service=poller ;;
    *) target=service service=$image ;;
  esac
  name=$REGISTRY/txfeatures-$(echo "$image" | tr _ -)
  docker buildx build . \
    --target "$target" \
    --platform "linux/$architecture" \
    --build-arg "SERVICE=$service" \
    --build-arg "REVISION=$CODEBUILD_RESOLVED_SOURCE_VERSION" \
    --sbom=true \
    --provenance=mode=max \
    --metadata-file build/metadata.json \
    --output "type=image,name=$name,push-by-digest=true,name-canonical=true,push=true"
  jq -r '."containerimage.digest"' build/metadata.json > "build/images/$image.$architecture"
done
