#!/bin/sh
# Build and push every image for one architecture, by digest, with SBOM and provenance.
# Needs REGISTRY and REVISION; ARCHITECTURE (amd64 or arm64) is this machine's unless it is given.
# Writes build/images/<architecture>.json: the digest of each image.
set -eu

architecture=${ARCHITECTURE:-$(uname -m | sed 's/x86_64/amd64/; s/aarch64/arm64/')}
host=${REGISTRY%%/*}
digests=build/images/$architecture.json
mkdir -p build/images
aws ecr get-login-password | docker login --username AWS --password-stdin "$host"
docker buildx create --use --driver docker-container # the driver that can attest
echo '{}' > "$digests"

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
    --build-arg "REVISION=$REVISION" \
    --sbom=true \
    --provenance=mode=max \
    --metadata-file build/metadata.json \
    --output "type=image,name=$name,push-by-digest=true,name-canonical=true,push=true"
  digest=$(jq -er '."containerimage.digest"' build/metadata.json)
  jq --arg image "$image" --arg digest "$digest" '.[$image] = $digest' "$digests" > build/next.json
  mv build/next.json "$digests"
done
