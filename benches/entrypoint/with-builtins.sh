
text=$(<"$src")
for name in DB_HOST DATABASE_URL SECRET_KEY REGION; do
    text=${text//"\${$name}"/"${!name}"}
done
printf '%s\n' "$text" >"$dest"
chown nobody:nogroup "$dest"
exec gosu nobody:nogroup @COMMAND@ "${args[@]}" "$@"
