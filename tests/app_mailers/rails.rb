# Mastodon's, GitLab's and Discourse's mailer, which is Action Mailer, with the settings in the file
# as each of them maps these, then one email.
require "yaml"
require "logger"
require "action_mailer"

app, path = ARGV
text = File.read(path)
case app
when "Mastodon"
  env = text.lines.map { |line| line.strip.split("=", 2) }.to_h
  from = env["SMTP_FROM_ADDRESS"]
  settings = {
    address: env["SMTP_SERVER"], port: env["SMTP_PORT"].to_i, user_name: env["SMTP_LOGIN"],
    password: env["SMTP_PASSWORD"], authentication: env["SMTP_AUTH_METHOD"].to_sym,
    enable_starttls: env["SMTP_ENABLE_STARTTLS"] == "always",
    openssl_verify_mode: env["SMTP_OPENSSL_VERIFY_MODE"]
  }
when "GitLab"
  gitlab_rails = {}
  eval(text)
  from = gitlab_rails["gitlab_email_from"]
  names = %w[address port user_name password enable_starttls_auto tls openssl_verify_mode]
  settings = names.map { |name| [name.to_sym, gitlab_rails["smtp_#{name}"]] }.to_h
  settings[:authentication] = gitlab_rails["smtp_authentication"].to_sym
when "Discourse"
  env = YAML.safe_load(text)["env"]
  from = env["DISCOURSE_NOTIFICATION_EMAIL"]
  settings = {
    address: env["DISCOURSE_SMTP_ADDRESS"], port: env["DISCOURSE_SMTP_PORT"],
    user_name: env["DISCOURSE_SMTP_USER_NAME"], password: env["DISCOURSE_SMTP_PASSWORD"],
    authentication: :plain, enable_starttls_auto: env["DISCOURSE_SMTP_ENABLE_START_TLS"]
  }
end
ActionMailer::Base.smtp_settings = settings
message = ActionMailer::Base.mail(
  from: from, to: "ada@example.org", subject: app, body: "Hello", content_type: "text/plain"
)
message.delivery_method(:smtp, settings)
message.deliver_now
