<?php
// Sends the message on standard input with PHP's mail(); see test_smtp_client_cases.
$asked = json_decode(stream_get_contents(STDIN), true);
exit(mail($asked["to"], $asked["subject"], $asked["body"], $asked["headers"]) ? 0 : 1);
