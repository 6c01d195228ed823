#!/bin/sh
# Join the images of both architectures, wait for their scan, sign them, and write their digests.
# Needs REGISTRY, REVISION, BUILD (a number that makes the tag unique), SIGNING_KEY, and the results
# of build.sh in amd64/ and arm64/; writes build/images/digests.json.
set -eu

COSIGN=v2.4.1 # go checks its source against the checksum database
host=${REGISTRY%%/*}
tag=$(echo "$REVISION" | cut -c 1-12)-$BUILD
digests=build/images/digests.json
mkdir -p build/images
aws ecr get-login-password | docker login --username AWS --password-stdin "$host"
go install "github.com/sigstore/cosign/v2/cmd/cosign@$COSIGN"
echo '{}' > "$digests"

for image in poller dedup aggregator fs_writer api tools; do
  repository=txfeatures-$(echo "$image" | tr _ -)
  name=$REGISTRY/$repository
  intel=$(jq -er --arg image "$image" '.[$image]' amd64/amd64.json)
  arm=$(jq -er --arg image "$image" '.[$image]' arm64/arm64.json)
  docker buildx imagetools create --tag "$name:$tag" "$name@$intel" "$name@$arm"
  docker buildx imagetools inspect --raw "$name:$tag" > build/index.json
  for digest in $(jq -er '.manifests[] | select(.platform.architecture != "unknown").digest' build/index.json); do
    aws ecr wait image-scan-complete --repository-name "$repository" --image-id "imageDigest=$digest"
    critical=$(aws ecr describe-image-scan-findings \
      --repository-name "$repository" --image-id "imageDigest=$digest" \
      --query 'imageScanFindings.findingSeverityCounts.CRITICAL' --output text)
    if [ "$critical" != None ]; then
      echo "$name@$digest has $critical critical findings; see the scan in ECR's console" >&2
      exit 1
    fi
  done
  digest=sha256:$(sha256sum < build/index.json | cut -d ' ' -f 1)
  # The public log of signatures would show the names of a private registry.
  "$(go env GOPATH)/bin/cosign" sign --yes --tlog-upload=false --key "awskms:///$SIGNING_KEY" "$name@$digest"
  jq --arg image "$image" --arg digest "$digest" '.[$image] = $digest' "$digests" > build/next.json
  mv build/next.json "$digests"
done
