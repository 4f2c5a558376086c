#!/bin/sh
# Asks a server each of a SavedModel's signatures once, with curl.

usage() {
    cat <<'HELP'
usage: translate.sh [URL [TEXT [TARGET]]]

Asks a server each signature of a SavedModel, with curl, and prints requests and
answers, of long ones only the beginning.

  URL     of the model; default: http://localhost:8501/v1/models/dates
  TEXT    to translate; default: 4 March 2017
  TARGET  a translation of it, to score and align; default: 2017-03-04

The server is TensorFlow Serving, or `kseq2seq serve`. A model without attention has no
translate_align and no align, and refuses them. Ends with 1 if a request was refused,
and with 2 if no server answers.
HELP
}

case ${1-} in
-h | --help) usage && exit 0 ;;
-*) usage >&2 && exit 2 ;;
esac
if [ $# -gt 3 ]; then
    usage >&2
    exit 2
fi

# As it stands in a JSON string, without the quotes around it.
escaped() {
    printf '%s' "$1" | tr '\t\r\n' '   ' | sed 's/[\\"]/\\&/g'
}

url=${1-http://localhost:8501/v1/models/dates}
text=$(escaped "${2-4 March 2017}")
target=$(escaped "${3-2017-03-04}")
refused=0

ask() {
    printf '%s\n' "$1"
    answer=$(curl --silent --show-error --max-time 60 --write-out '\n%{http_code}' \
        --header 'Content-Type: application/json' --data "$1" "$url:predict") || {
        echo "translate.sh: no server answers at $url: start TensorFlow Serving or" \
            "\`kseq2seq serve\`, and check host, port and the model's name" >&2
        exit 2
    }
    status=${answer##*
}
    # Without the line of the status, and JSON of many lines on one.
    answer=$(printf '%s' "${answer%
*}" | sed 's/^ *//' | tr '\n' ' ')
    printf '%.1500s\n\n' "$answer"
    [ "$status" = 200 ] || refused=1
}

# The row format: each row is an object with all inputs; answered by "predictions".
ask '{"instances": [{"text": "'"$text"'"}, {"text": ""}]}'
# The column format: each input is a list with all rows; answered by "outputs".
ask '{"inputs": {"text": ["'"$text"'", ""]}}'

ask '{"signature_name": "nbest", "inputs": {"text": ["'"$text"'"]}}'
ask '{"signature_name": "translate_align", "inputs": {"text": ["'"$text"'"]}}'
ask '{"signature_name": "align",
    "inputs": {"text": ["'"$text"'"], "target": ["'"$target"'"]}}'
ask '{"signature_name": "score",
    "inputs": {"text": ["'"$text"'"], "target": ["'"$target"'"]}}'
ask '{"signature_name": "encode", "inputs": {"text": ["'"$text"'"]}}'
# Each row has settings of its own; the same seed gives the same translation.
ask '{"signature_name": "sample", "instances": [
    {"text": "'"$text"'", "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 1},
    {"text": "'"$text"'", "temperature": 0.5, "top_k": 5, "top_p": 0.9, "seed": 2}]}'

exit $refused
