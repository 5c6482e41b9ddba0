# To be read by a shell: which table, where none is named. The emulator is there while its profile runs, and takes any key.
if [ -z "${online_store:-}" ] && getent hosts dynamodb >/dev/null; then
  online_store="dynamodb://features?region=eu-central-1&endpoint=http://dynamodb:8009"
  export AWS_ACCESS_KEY_ID=emulated AWS_SECRET_ACCESS_KEY=emulated
fi
# Empty is not the same as not there to all that look for credentials.
[ -n "${AWS_PROFILE:-}" ] || unset AWS_PROFILE
[ -n "${AWS_SESSION_TOKEN:-}" ] || unset AWS_SESSION_TOKEN
