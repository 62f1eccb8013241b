
# shellcheck disable=SC2016 # these are the names that envsubst replaces
envsubst '$DB_HOST $DATABASE_URL $SECRET_KEY $REGION' <"$src" >"$dest"
chown nobody:nogroup "$dest"
exec gosu nobody:nogroup @COMMAND@ "${args[@]}" "$@"
