"""Home Assistant's mailer, which is smtplib: configuration.yaml in the file, then one email."""

import smtplib
import ssl
import sys
from email.mime.text import MIMEText
from email.utils import formatdate, make_msgid
from pathlib import Path

lines = Path(sys.argv[1]).read_text("utf-8").splitlines()[1:]
pairs = (line.strip(" -").partition(":") for line in lines)
config = {name: value.strip().strip('"') for name, _, value in pairs}
message = MIMEText("Hello")
message["Subject"], message["To"] = "Home Assistant", config["recipient"]
message["From"] = f"HomeAssistant <{config['sender']}>"
message["X-Mailer"], message["Date"] = "Home Assistant", formatdate()
message["Message-Id"] = make_msgid()
server = (config["server"], int(config["port"]))
with smtplib.SMTP(*server, timeout=float(config["timeout"])) as mail:
    mail.ehlo_or_helo_if_needed()
    if config["encryption"] == "starttls":
        mail.starttls(context=ssl.create_default_context())
        mail.ehlo()
    mail.login(config["username"], config["password"])
    mail.sendmail(config["sender"], [config["recipient"]], message.as_string())
