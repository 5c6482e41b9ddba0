-- Mark clients of the table that PostgreSQL does not have, so that they are erased there. The caller holds their locks.
INSERT INTO online_changes (client_id, rev)
SELECT stray.client_id, nextval('online_revisions')
  FROM unnest(%(ids)s::bigint[]) AS stray (client_id)
 WHERE NOT EXISTS (SELECT FROM online_features AS o WHERE o.client_id = stray.client_id)
    ON CONFLICT (client_id) DO UPDATE SET rev = excluded.rev
