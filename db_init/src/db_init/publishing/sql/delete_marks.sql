-- Delete marks whose revision is published. A mark that another transaction locks is left to the next page, without waiting.
DELETE FROM online_changes
 WHERE client_id IN (
       SELECT c.client_id
         FROM online_changes AS c
         JOIN unnest(%(ids)s::bigint[], %(revs)s::bigint[]) AS done (client_id, rev) USING (client_id, rev)
          FOR UPDATE OF c SKIP LOCKED)
